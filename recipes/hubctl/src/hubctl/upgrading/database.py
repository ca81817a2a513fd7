"""The hub's database: a copy of it as it is at one moment, and its way back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

BEFORE = "jupyterhub.sqlite.before-upgrade"
"""The copy, beside the database. It stays after an upgrade that has changed the schema."""


def snapshot(database: Path, copy: Path) -> None:
    """Copies a database, whatever is written to it meanwhile (sqlite.org, Online Backup API); 0600.

    Raises:
        sqlite3.Error: it can't be copied.
    """
    temporary = copy.with_name(f"{copy.name}.partial")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(temporary)) as target:
        source.backup(target)
    temporary.replace(copy)


def put_back(copy: Path, database: Path) -> None:
    """Gives the database of a hub that does not run its former content. The copy stays until that is complete."""
    snapshot(copy, database)
    for suffix in ("-wal", "-shm", "-journal"):  # of the one that was there
        database.with_name(database.name + suffix).unlink(missing_ok=True)
