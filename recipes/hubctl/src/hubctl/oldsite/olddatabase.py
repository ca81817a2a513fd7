"""The database of an old hub: copied without a byte of it changing, and brought to the schema of this release."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hubctl import layout as places
from hubctl.errors import HubError
from hubctl.fulldisk import is_full, no_space
from hubctl.upgrading.database import snapshot

_FULL = ("database or disk is full", f"[Errno {errno.ENOSPC}]", f"[Errno {errno.EDQUOT}]")
"""What SQLite and Python say of a full disk."""


@dataclass(frozen=True)
class Copy:
    """A copy of an old hub's database.

    Attributes:
        users: their names, and whether each is an administrator.
        token_owners: users whose tokens JupyterHub's upgrade will drop, as it does with all from before 2.0.
    """

    source: Path
    file: Path
    users: dict[str, bool]
    token_owners: list[str]


def copy(source: Path, work: Path) -> Copy:
    """Copies the database into ``work``; users' servers, which end with the old hub, are not in the copy.

    Raises:
        HubError: it is damaged, or is not JupyterHub's.
    """
    file = work / "jupyterhub.sqlite"
    try:
        if _has_unwritten(source):
            _copy_and_recover(source, file)
        else:
            snapshot(source, file)
        with closing(sqlite3.connect(file)) as database, database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
            if answer != "ok":
                raise HubError(f"{source} is damaged: {answer}", "bring back a backup of it")
            users = {name: bool(admin) for name, admin in database.execute("SELECT name, admin FROM users")}
            owners = _token_owners(database)
            _forget_servers(database)
    except (sqlite3.Error, OSError) as error:
        if is_full(error):
            raise no_space(f"{source} can't be copied", work.parent) from None
        if isinstance(error, OSError):
            raise HubError(f"{source} can't be copied: {error.strerror}", "run this as root") from None
        raise HubError(
            f"{source} is no database of JupyterHub: {error}", "--config names another old hub's file"
        ) from None
    return Copy(source, file, users, owners)


def upgrade(copied: Copy) -> None:
    """Brings the copy to this JupyterHub's schema, with JupyterHub's own command.

    Raises:
        HubError: it can't be, as one of a newer JupyterHub.
    """
    address = f"sqlite:///{copied.file}"
    command = [sys.executable, "-I", "-B", "-m", "jupyterhub", "upgrade-db", f"--JupyterHub.db_url={address}"]
    # the command starts alembic by its name
    surroundings = os.environ | {
        "PATH": f"{places.environment() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    }
    done = subprocess.run(command, cwd=copied.file.parent, env=surroundings, capture_output=True, text=True)
    if any(words in done.stderr for words in _FULL):
        raise no_space(f"{copied.source} can't be brought to this release", copied.file.parent.parent)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says no reason"])[-1]
        raise HubError(f"{copied.source} can't be brought to this release: {last}", "nothing was changed")
    with closing(sqlite3.connect(copied.file)) as database:
        now = {name for (name,) in database.execute("SELECT name FROM users")}
    if now != set(copied.users):
        raise HubError(f"{copied.source}: JupyterHub's upgrade has lost users", "nothing was changed")


def _has_unwritten(source: Path) -> bool:
    """Whether SQLite would write to its folder on opening it (sqlite.org, Database File Format, 1.3.3 and 3): to undo
    what a killed hub had begun, or because of its journal mode."""
    with source.open("rb") as file:
        header = file.read(20)
    journal = source.with_name(f"{source.name}-journal")
    return header[18:20] == b"\2\2" or (journal.exists() and journal.stat().st_size > 0)


def _copy_and_recover(source: Path, file: Path) -> None:
    """Copies it with its journals, and lets SQLite do in the copy what it would do."""
    for suffix in ("", "-journal", "-wal"):
        if (part := source.with_name(source.name + suffix)).exists():
            shutil.copyfile(part, file.with_name(file.name + suffix))
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = DELETE")


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _token_owners(database: sqlite3.Connection) -> list[str]:
    """Of tokens that users made themselves: a running server's has a note of JupyterHub's."""
    if "roles" in _tables(database) or "api_tokens" not in _tables(database):
        return []
    query = "SELECT DISTINCT name FROM users, api_tokens WHERE users.id = user_id AND note NOT LIKE 'Server at %'"
    return sorted(name for (name,) in database.execute(query))


def _forget_servers(database: sqlite3.Connection) -> None:
    """What ran: containers and process numbers, which can be another program's by now."""
    if {"spawners", "servers", "services"} <= _tables(database):  # since JupyterHub 0.8
        database.execute("UPDATE spawners SET server_id = NULL, state = NULL, started = NULL")
        database.execute("UPDATE services SET _server_id = NULL, pid = NULL")
        database.execute("DELETE FROM servers")
