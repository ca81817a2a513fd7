"""A full disk, whoever noticed it: the system, SQLite, or another program."""

import errno
import sqlite3
from pathlib import Path

from hubctl.errors import HubError


def is_full(error: BaseException) -> bool:
    """Whether it says so: errno(3), ENOSPC and EDQUOT; sqlite.org, Result Codes, SQLITE_FULL."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def says_full(text: str) -> bool:
    """Whether a program written in Rust says so, as py-rattler does (std::io::Error, Display)."""
    return any(f"(os error {number})" in text for number in (errno.ENOSPC, errno.EDQUOT))


def no_space(what: str, folder: Path) -> HubError:
    """What was not done for want of space, and where that is wanted: a work folder in it may be gone again."""
    folder = next((place for place in (folder, *folder.parents) if place.is_dir()), folder)
    return HubError(
        f"{what}: no space left in {folder}", f"make room there (`df {folder}`), then run the same command again"
    )
