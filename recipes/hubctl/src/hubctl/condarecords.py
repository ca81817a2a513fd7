"""conda's records of what an environment holds, a file a package: ``conda-meta/NAME-VERSION-BUILD.json``."""

import json
from pathlib import Path
from typing import Any

from hubctl.errors import HubError

MEND = "`bash hub-installer.sh -f` of this release makes the installation whole"


def of(environment: Path) -> list[Path]:
    """The records, sorted by name."""
    return sorted((environment / "conda-meta").glob("*.json"))


def read(record: Path) -> dict[str, Any]:
    """What conda has noted of a package.

    Raises:
        HubError: the record is no whole one.
        PermissionError: it is for somebody else to read.
    """
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HubError(f"{record} is half-written, as conda leaves it when it is killed", MEND)
    return found
