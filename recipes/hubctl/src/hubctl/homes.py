"""Users' folders on the host, made without following anything that a user could have put there."""

import contextlib
import grp
import os
import pwd
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubctl.layout import Layout

NOBODY = 65534
NO_HOME = "/nonexistent"
"""The home of accounts that have none (Debian Policy, 9.2.3)."""


class NoHomeError(Exception):
    """The user's folder can't be used; the text is for the user."""


@dataclass(frozen=True)
class Account:
    """Whom a server runs as, and its home.

    Attributes:
        groups: numbers of the further groups.
        home: the home's path as the server sees it.
        folder: the folder of the host that is its home.
        host_home: the account's home on the host, in which the folder lies; None for a name that is no account.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    folder: Path
    host_home: Path | None


def of_host(name: str, part: str) -> Account:
    """The host's account ``name``.

    Args:
        part: the part of its home that its server works in, empty: all of it.

    Raises:
        NoHomeError: there is no such account.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise NoHomeError(f"There is no account {name} on this server. Ask the administrator for one.") from None
    if len(Path(entry.pw_dir).parts) < 2 or not entry.pw_dir.startswith("/") or entry.pw_dir == NO_HOME:
        raise NoHomeError(f"The account {name} has no home folder. Ask the administrator to give it one.")
    groups = tuple(gid for gid in os.getgrouplist(name, entry.pw_gid) if gid != entry.pw_gid)
    home = Path(entry.pw_dir)
    return Account(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, home / part, home)


def without_account(name: str, layout: Layout) -> Account:
    """Somebody who has no account on the host: runs as the hub's user, or as nobody where that is root."""
    uid, gid = (os.geteuid(), os.getegid()) if os.geteuid() else (NOBODY, NOBODY)
    return Account(name, uid, gid, (), f"/home/{name}", layout.homes / name, None)


def groups_of(account: Account, names: Iterable[str]) -> set[str]:
    """Which of the groups called ``names`` the account is in; a name that there is no proof of is in none."""
    return {name for name in names if account.host_home and group_id(name) in (account.gid, *account.groups)}


def group_id(name: str) -> int | None:
    """The number of a group of the host or of its domain; None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def has_account(name: str) -> bool:
    """Whether the host or its domain has an account of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def ensure(account: Account) -> None:
    """Makes the folder where it is missing, owned by the user, 0700.

    What lies in a folder that the user can write to is made with the user's own rights: a link there leads root
    nowhere.

    Raises:
        NoHomeError: it can't be made, is a link, or can't be written to.
    """
    in_home = account.host_home not in (None, account.folder)
    try:
        if account.host_home:
            _make_parents(account.host_home)
            make(account.host_home, account)
            if in_home:
                _make_as_user(account)
        else:
            account.folder.parent.mkdir(mode=0o700, exist_ok=True)
            make(account.folder, account)
    except OSError as error:
        raise NoHomeError(f"Your folder {account.folder} can't be made: {error.strerror}.") from None
    if in_home and account.folder.is_symlink():
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
        OSError: the container has ended.
    """
    inside = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    try:
        return _identity([str(account.folder)]) == _identity(Path(account.home).parts[1:], inside)
    except OSError:  # a link, or no folder
        return False
    finally:
        os.close(inside)


def _identity(parts: Sequence[str], start: int | None = None) -> tuple[int, int]:
    """Device and inode of the folder that ``parts`` lead to, one after the other, from the folder ``start``.

    Raises:
        OSError: one of them is a link, or no folder.
    """
    with contextlib.ExitStack() as opened:
        for part in parts:
            start = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=start)
            opened.callback(os.close, start)
        assert start is not None
        found = os.fstat(start)
    return found.st_dev, found.st_ino


def _make_parents(home: Path) -> None:
    """Those above a home that belong to the system, as ``/home/EXAMPLE.ORG`` of a domain's first user."""
    for parent in reversed(home.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755, exist_ok=True)  # the domain's second user may come at the same moment
            parent.chmod(0o755)


def make(folder: Path, account: Account) -> None:
    """Makes a folder of the user's own, 0700, where it is missing; its parent belongs to root or to the hub's user."""
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
