"""A full disk, whoever noticed it: the system, SQLite, or another program."""

import errno
import os
import sqlite3
import tempfile
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


def check_room(what: str, folder: Path, size: int) -> None:
    """Refuses where ``size`` more bytes find no place in a folder. Tried, and not read from the numbers of the file
    system: those of quotas are elsewhere, and root may use what is kept from others.

    Raises:
        HubError: ``no_space``.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if is_full(error):
            raise no_space(what, folder) from None
        raise
