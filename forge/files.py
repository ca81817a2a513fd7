"""Files that are whole or not there: hashing, atomic replacement, links out of the cache."""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forge.disk import DiskFullError, is_full

_unfinished: set[Path] = set()
"""Temporary files that have not taken their names yet."""


def sha256_of(path: Path) -> str:
    """The file's sha256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary neighbour of ``path`` that takes its name, with ``mode``, when the block ends without an error.

    A reader sees the old file or the new one, never half of one; an interrupted block leaves ``path`` as it was.

    Raises:
        DiskFullError: there was no room for it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    _unfinished.add(temporary)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(mode=0o600)
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if is_full(error):
            raise DiskFullError(str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def discard_unfinished() -> None:
    """Removes what other threads were writing: the process ends without waiting for them."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str, mode: int = 0o644) -> bool:
    """Makes ``path`` hold ``text``; says whether anything had to change."""
    if path.is_file() and path.read_text() == text:
        return False
    with replacing(path, mode) as temporary:
        temporary.write_text(text)
    return True


def place(source: Path, target: Path) -> None:
    """Puts ``source`` at ``target`` atomically: a hard link where the file system allows it, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        temporary.unlink()
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, temporary)


def tree_digest(*roots: Path) -> str:
    """One sha256 over the names, modes and contents of the files below ``roots``, whatever their order on disk.

    What tools leave in a checkout does not count: ``__pycache__`` and hidden folders.
    """
    digest = hashlib.sha256()
    for root in roots:
        files = sorted(path for path in root.rglob("*") if path.is_file() and not _is_left_over(path, root))
        for path in files if root.is_dir() else [root]:
            name = path.relative_to(root).as_posix() if path != root else path.name
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{name}\0{executable}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _is_left_over(path: Path, root: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(root).parts[:-1])
