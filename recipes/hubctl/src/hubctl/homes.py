"""Users' folders on the host, made without following anything that a user could have put there."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hubctl.layout import Layout

NOBODY = 65534


class NoHomeError(Exception):
    """The user's folder can't be used; the text is for the user."""


@dataclass(frozen=True)
class Account:
    """Whom a container runs as, and the folder of the host that is its home.

    Attributes:
        groups: numbers of the further groups.
        home: the home's path inside the container.
        folder: the folder of the host that is mounted there.
        on_host: whether it is an account of the host, and the folder lies in its home.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    folder: Path
    on_host: bool


def of_host(name: str) -> Account:
    """The host's account ``name``; containers get ``work`` in its home, so that the host's dot files stay apart.

    Raises:
        NoHomeError: there is no such account.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise NoHomeError(f"There is no account {name} on this server. Ask the administrator for one.") from None
    if len(Path(entry.pw_dir).parts) < 2 or not entry.pw_dir.startswith("/"):
        raise NoHomeError(f"The account {name} has no home folder. Ask the administrator to give it one.")
    groups = tuple(gid for gid in os.getgrouplist(name, entry.pw_gid) if gid != entry.pw_gid)
    return Account(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, Path(entry.pw_dir) / "work", True)


def without_account(name: str, layout: Layout) -> Account:
    """Somebody who has no account on the host: runs as the hub's user, or as nobody where that is root."""
    uid, gid = (os.geteuid(), os.getegid()) if os.geteuid() else (NOBODY, NOBODY)
    return Account(name, uid, gid, (), f"/home/{name}", layout.homes / name, False)


def ensure(account: Account) -> None:
    """Makes the folder where it is missing, owned by the user, 0700.

    What lies in a folder that the user can write to is made with the user's own rights: a link there leads root
    nowhere.

    Raises:
        NoHomeError: it can't be made, is a link, or can't be written to.
    """
    try:
        if account.on_host:
            _make(account.folder.parent, account)
            _make_as_user(account)
        else:
            account.folder.parent.mkdir(mode=0o700, exist_ok=True)
            _make(account.folder, account)
    except OSError as error:
        raise NoHomeError(f"Your folder {account.folder} can't be made: {error.strerror}.") from None
    if account.folder.is_symlink():
        raise NoHomeError(f"Your folder {account.folder} is a link. Make it a folder.")
    if os.statvfs(account.folder).f_flag & os.ST_RDONLY:
        raise NoHomeError(
            f"Your folder {account.folder} is on a disk that can only be read at the moment. "
            "Nothing could be saved, so no server is started. Tell the administrator."
        )


def is_mounted(account: Account, pid: int) -> bool:
    """Whether the home inside a container is the account's folder.

    A user can put a link in the folder's place after ``ensure`` has looked, and Docker, as root, would follow it. So
    what was mounted is compared with what should have been; links are followed on neither side.

    Args:
        pid: a process in the container.

    Raises:
        OSError: the container has ended, or its home is not there.
    """
    return _identity(Path("/"), account.folder) == _identity(Path(f"/proc/{pid}/root"), Path(account.home))


def _identity(root: Path, path: Path) -> tuple[int, int]:
    """Device and inode of the folder ``path`` below ``root``; no part of ``path`` below a container's root is a link.

    On the host, only the last part is the user's to change.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    if root == Path("/"):
        handle = os.open(path, flags)
    else:
        handle = os.open(root, os.O_PATH | os.O_DIRECTORY)
        for part in path.parts[1:]:
            parent, handle = handle, os.open(part, flags, dir_fd=handle)
            os.close(parent)
    try:
        found = os.fstat(handle)
    finally:
        os.close(handle)
    return found.st_dev, found.st_ino


def _make(folder: Path, account: Account) -> None:
    """For a folder whose parent belongs to root or to the hub's user."""
    if folder.exists():
        return
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def _make_as_user(account: Account) -> None:
    become: list[str] = []
    if os.geteuid() == 0:
        # setpriv(1), not the arguments of Python's own, which copy the hub's memory map: for so long it answers nobody
        groups = ",".join(map(str, account.groups))
        become = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}"]
        become += [f"--groups={groups}" if groups else "--clear-groups", "--"]
    command = [*become, "mkdir", "-p", "-m", "0700", "--", str(account.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        reason = done.stderr.strip().rpartition(": ")[2]
        raise NoHomeError(f"Your folder {account.folder} can't be made: {reason}.")
