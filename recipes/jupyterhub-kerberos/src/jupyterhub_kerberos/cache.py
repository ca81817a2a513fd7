"""Ticket caches in folders of their users: made by root, written by the user, never followed through a link."""

import contextlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_kerberos.errors import TicketError
from jupyterhub_kerberos.programs import Account

CACHE_NAME = "krb5cc"
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""A user name that is neither a path nor an option nor another principal's name."""

MAX_SIZE = 1 << 20
"""Bytes of a cache that are read; a ticket-granting ticket is some kilobytes, even with an Active Directory PAC."""


def write_whole(path: Path, text: str) -> None:
    """Writes a file that everybody may read, unless it is there; whoever reads it never sees a part of it.

    Raises:
        OSError: no space, or no right to.
    """
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink()
            raise


@dataclass(frozen=True)
class TicketFolders:
    """``root`` holds one folder a user; only the hub can make or replace one."""

    root: Path

    def of(self, username: str) -> Path:
        """The user's folder.

        Raises:
            TicketError: the name is no name of a user.
        """
        if not SAFE_NAME.fullmatch(username):
            raise TicketError(f"{username!r} cannot be the name of a ticket folder")
        return self.root / username

    def cache(self, username: str) -> Path:
        """The user's ticket cache, type FILE: MIT, Java and containers all read that."""
        return self.of(username) / CACHE_NAME

    def identity(self, username: str) -> tuple[int, int] | None:
        """Tells one cache of the user from the next: each new ticket is a new file. None if there is none."""
        try:
            status = self.cache(username).lstat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def make(self, account: Account) -> Path:
        """Makes the user's folder, mode 0700, unless it is there; mends its owner and mode.

        Raises:
            TicketError: something else has its name, or others could put something there.
            OSError: no space, or no right to.
        """
        self.make_root()
        folder = self.of(account.name)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o700)
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise TicketError(f"{folder} is no folder ({error.strerror}); remove it") from error
        try:
            os.fchown(fd, account.uid, account.gid)
            os.fchmod(fd, 0o700)
        finally:
            os.close(fd)
        return folder

    def make_root(self) -> None:
        """Makes the folder of all folders, unless it is there.

        Raises:
            TicketError: others could put something there.
            OSError: no space, or no right to.
        """
        self.root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.root.mkdir(0o711)
            self.root.chmod(0o711)  # whatever the umask
        status = self.root.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise TicketError(f"{self.root} must be a folder that only the hub's user can write to")

    def read(self, account: Account, name: str) -> bytes:
        """The content of a file that the user wrote into the own folder.

        Raises:
            TicketError: it is no plain file of that user's, or too large to be a cache.
            OSError: it is not there, or is a link.
        """
        folder = os.open(self.of(account.name), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != account.uid or status.st_size > MAX_SIZE:
                raise TicketError(f"{self.of(account.name) / name} is no ticket cache of {account.name}")
            return file.read(MAX_SIZE)
