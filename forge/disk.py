"""A full disk, whichever tool noticed it first."""

import errno
import os
import tempfile
from pathlib import Path

from forge.errors import ForgeError
from forge.paths import BUILDS, DIST, cache_dir

_SIGNS = (
    "No space left on device",
    "Disk quota exceeded",
    "ENOSPC",
    "EDQUOT",
    "NoSpaceLeft",  # zig
    "enough free space",  # apt
)

_MIB = 1 << 20


class DiskFullError(ForgeError):
    """There was no room to go on.

    Args:
        thing: what was being made or fetched.
    """

    def __init__(self, thing: str) -> None:
        free = "".join(f"\n    {free // _MIB} MiB in {' and '.join(map(str, folders))}" for free, folders in _free())
        super().__init__(f"{thing}: the disk is full", f"Make room, then run it again. Free now:{free}")


def is_full(error: BaseException) -> bool:
    """Whether a full disk, or a used up quota, is behind ``error``."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if told_by(str(error)):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_full(cause)


def told_by(output: str) -> bool:
    """Whether a program says so."""
    return any(sign in output for sign in _SIGNS)


def has_room(folder: Path) -> bool:
    """Whether anything more can be written there; compilers often die of a full disk without naming it."""
    return _available(folder) >= _MIB


def _free() -> list[tuple[int, list[Path]]]:
    """The folders that a build writes to, by their file system, with the bytes that are free there; least first."""
    systems: dict[int, list[Path]] = {}
    for folder in (cache_dir("packages").parent, BUILDS, Path(tempfile.gettempdir()), DIST):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        systems.setdefault(there.stat().st_dev, []).append(folder)
    return sorted((_available(folders[0]), folders) for folders in systems.values())


def _available(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    status = os.statvfs(there)
    return status.f_bavail * status.f_frsize
