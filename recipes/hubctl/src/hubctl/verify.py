"""``hubctl verify``: whether what is installed is what the packages brought."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hubctl import api, condarecords
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl import status as hub_status
from hubctl.checksum import sha256_of
from hubctl.errors import HubError
from hubctl.layout import Layout


def verify(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check every file of base and of the hub's environment against conda's records, and that a hub that runs answers.

    Exits with 1 when a file is missing or was altered, or the hub does not answer.

    Example: hubctl verify
    """
    files = wrong_files()
    hub = _hub()
    if as_json:
        print(json.dumps({"files": files, "hub": hub}, indent=2))
    else:
        print("\n".join(files or ["Every file is as its package has it."]))
        print({"answers": "The hub answers.", "silent": "The hub does not answer.", "stopped": "No hub runs."}[hub])
        if files:
            print("The installer of this release puts them back: bash hub-installer.sh -f")
    if files or hub == "silent":
        raise typer.Exit(1)


def wrong_files() -> list[str]:
    """A line each for what is not as its package has it, by the records in ``conda-meta`` of base and of the hub's.

    ``conda doctor`` asks the same, but passes over files whose record says no more than what the package held
    (``sha256`` without ``sha256_in_prefix``), as rattler writes it for most.

    Raises:
        HubError: there are no records to compare with, or a file can't be read.
    """
    prefixes = dict.fromkeys((places.base_prefix(), places.environment()))
    records = [(prefix, path) for prefix in prefixes for path in condarecords.of(prefix)]
    for prefix in prefixes:
        if not any(of == prefix for of, _ in records):
            raise HubError(
                f"{prefix} has no records of conda's in conda-meta", "the installer, with -u, makes it whole"
            )
    try:
        return [line for prefix, record in records for line in _wrong(prefix, record)]
    except OSError as error:
        raise HubError(f"{error.filename} can't be read: {error.strerror}", "run this as root") from None


def _wrong(prefix: Path, record: Path) -> Iterator[str]:
    """Of one package. What was made while it was installed, such as byte code by conda, has no hash to be held to."""
    try:
        found = json.loads(record.read_bytes())
        files, entries = found["files"], found["paths_data"]["paths"]
    except (ValueError, KeyError):
        yield f"{record} is no record of conda's"
        return
    for file in (prefix / name for name in files):
        if not file.exists():
            yield f"{file} of {record.stem} {'leads nowhere' if file.is_symlink() else 'is missing'}"
    for entry in entries:
        file = prefix / entry["_path"]  # of a pure Python package, conda may note the place within the package
        wanted = entry.get("sha256_in_prefix") or entry.get("sha256")
        if wanted and entry["path_type"] != "softlink" and file.is_file() and sha256_of(file) != wanted:
            yield f"{file} of {record.stem} was altered"


def _hub() -> str:
    """``answers``, ``silent``, or ``stopped``."""
    layout = Layout.current()
    if hub_status.hub_pid(layout) is None:
        return "stopped"
    return "answers" if api.healthy(hub_settings.load(layout.settings), layout) else "silent"
