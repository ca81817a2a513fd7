"""Folders and files with owner and mode, whole or not there, and never through somebody's symbolic link."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from post_install.host import Host, StepError
from post_install.messages import message


@dataclass(frozen=True)
class Folder:
    """A folder of ours.

    Attributes:
        path: absolute, as the host sees it.
        mode: its permission bits.
        group: who owns it besides root.
        at_least: ``mode`` is what it needs; whatever more the administrator gave stays.
    """

    path: str
    mode: int
    group: str = "root"
    at_least: bool = False

    def mode_for(self, found: int) -> int:
        """What the mode has to be where it is ``found`` now."""
        return found | self.mode if self.at_least else self.mode


@contextmanager
def parent_of(host: Host, path: str) -> Iterator[int]:
    """A descriptor of the folder that holds ``path``.

    Raises:
        StepError: a symbolic link leads out of the root that is set up.
    """
    descriptor = os.open(_inside(host, path, host.at(path).parent), os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _inside(host: Host, path: str, parent: Path) -> Path:
    """Where ``parent``, a folder above ``path``, really is."""
    inside = host.prefix if host.at(path).is_relative_to(host.prefix) else host.root
    real = parent.resolve(strict=True)
    if not real.is_relative_to(inside.resolve()):
        raise StepError(message("leads_out", path=parent, root=inside, target=real), message("remove_link"))
    return real


@contextmanager
def opened(host: Host, path: str, flags: int) -> Iterator[int]:
    """A descriptor of ``path`` itself: what is looked at is what is changed, whatever happens to the name meanwhile.

    Raises:
        StepError: it is a symbolic link, or not of the kind that ``flags`` ask for.
    """
    name = host.at(path).name
    with parent_of(host, path) as parent:
        try:
            descriptor = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            kind = "link" if host.at(path).is_symlink() else "other"
            wanted = "folder" if flags & os.O_DIRECTORY else "file"
            raise StepError(message(f"{kind}_for_{wanted}", path=host.at(path)), message("move_away")) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wrong_with(host: Host, descriptor: int, want: Folder) -> list[str]:
    """What owner and mode of an open file or folder have that they should not."""
    found = os.fstat(descriptor)
    mode = stat.S_IMODE(found.st_mode)
    problems = []
    if mode != want.mode_for(mode):
        problems.append(message("wrong_mode", found=f"{mode:04o}", wanted=f"{want.mode_for(mode):04o}"))
    group = host.group_id(want.group)
    if host.is_root and (found.st_uid, found.st_gid) != (0, group):
        owner = f"{found.st_uid}:{found.st_gid}"
        problems.append(message("wrong_owner", found=owner, wanted=f"root:{want.group}"))
    return problems


def repair(host: Host, descriptor: int, want: Folder) -> None:
    """Gives an open file or folder its owner and mode; only root changes owners."""
    if host.is_root:
        group = host.group_id(want.group)
        if group is None:
            raise StepError(message("group_missing", group=want.group))
        os.fchown(descriptor, 0, group)
    # After the owner: chown clears set-id bits.
    os.fchmod(descriptor, want.mode_for(stat.S_IMODE(os.fstat(descriptor).st_mode)))


def check_folder(host: Host, want: Folder) -> list[str]:
    """What is wrong with a folder, a line each."""
    if not os.path.lexists(host.at(want.path)):
        return [message("path_missing", path=want.path)]
    with opened(host, want.path, os.O_DIRECTORY) as descriptor:
        return [f"{want.path}: {problem}" for problem in wrong_with(host, descriptor, want)]


def ensure_folder(host: Host, want: Folder) -> list[str]:
    """Makes or repairs a folder; its content stays as it is."""
    is_new = not os.path.lexists(host.at(want.path))
    if is_new:
        make_parents(host, want.path)
        with parent_of(host, want.path) as parent:
            os.mkdir(host.at(want.path).name, 0o700, dir_fd=parent)
    with opened(host, want.path, os.O_DIRECTORY) as descriptor:
        problems = wrong_with(host, descriptor, want)
        if problems:
            repair(host, descriptor, want)
    if is_new:
        return [made(host, want)]
    return [message("repaired", path=want.path, what=problem) for problem in problems]


def made(host: Host, want: Folder) -> str:
    """The line about a new file or folder; without root it is the caller's own."""
    owner = f"root:{want.group} " if host.is_root else ""
    return message("made", path=want.path, owner=owner, mode=f"{want.mode:04o}")


def make_parents(host: Host, path: str) -> None:
    """The folders of the system above ours, where a bare root has not even those."""
    missing: list[Path] = []
    for parent in host.at(path).parents:
        if os.path.lexists(parent):
            if missing and host.root.exists():
                _inside(host, path, parent)
            break
        missing.append(parent)
    for parent in reversed(missing):
        parent.mkdir()
        parent.chmod(0o755)


def write(host: Host, path: str, data: bytes, mode: int) -> None:
    """Makes the file ``path`` hold ``data``: root's, with ``mode``, and never half of it under its own name."""
    make_parents(host, path)
    name = host.at(path).name
    temporary = f".{name}.{secrets.token_hex(8)}"
    with parent_of(host, path) as parent:
        # Readable by nobody else from the first instant on: what is written may be a secret.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                repair(host, file.fileno(), Folder(path, mode))
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(temporary, dir_fd=parent)
            raise
