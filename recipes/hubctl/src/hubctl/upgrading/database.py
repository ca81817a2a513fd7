"""The hub's database: a copy of it as it is at one moment, and its way back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from .disk import content_to_disk, names_to_disk

BEFORE = "jupyterhub.sqlite.before-upgrade"
"""The copy, beside the database, that stays after an upgrade which has changed the schema, until another one has."""

NEW = f"{BEFORE}.new"
"""The copy that an upgrade works with, for as long as it is under way."""


def copies(database: Path) -> list[Path]:
    """What only an upgrade that is under way has beside the database: the copy, and a part of it."""
    return [database.with_name(name) for name in (NEW, _partial(NEW))]


def _partial(name: str) -> str:
    return f"{name}.partial"


def snapshot(database: Path, copy: Path) -> None:
    """Copies a database, whatever is written to it meanwhile (sqlite.org, Online Backup API); 0600.

    The copy is on the disk at the end: a journal may speak of it, and a database be changed because it is there.

    Raises:
        sqlite3.Error: it can't be copied.
    """
    temporary = copy.with_name(_partial(copy.name))
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # not mode=ro: what a killed hub was at has to be undone first
    source = sqlite3.connect(f"file:{database}?mode=rw", uri=True)
    with closing(source), closing(sqlite3.connect(temporary)) as target:
        source.backup(target)
    content_to_disk(temporary)
    temporary.replace(copy)
    names_to_disk(copy.parent)


def put_back(copy: Path, database: Path) -> None:
    """Gives the database of a hub that does not run its former content. The copy stays until that is complete."""
    for path in journals(database):
        path.unlink(missing_ok=True)
    names_to_disk(database.parent)  # one that a power cut brings back would be applied to what comes now
    snapshot(copy, database)


def journals(database: Path) -> list[Path]:
    """What SQLite may have left beside a database, and would apply to another one of the same name."""
    return [database.with_name(database.name + suffix) for suffix in ("-journal", "-wal", "-shm")]
