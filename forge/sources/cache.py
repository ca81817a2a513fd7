"""Downloads by hash: ``sources/<sha256>/<file name>`` in the cache that every checkout shares."""

from collections.abc import Callable
from pathlib import Path

from forge.errors import ForgeError
from forge.files import replacing, sha256_of
from forge.paths import cache_dir


class HashMismatchError(ForgeError):
    """A file that came is not the file that was locked.

    Args:
        name: the file.
        expected: the locked hash, or several of them.
        got: the hash of what came.
        kind: the hash's name and a space; empty where the hashes carry it themselves.
    """

    def __init__(self, name: str, expected: str, got: str, kind: str = "sha256 ") -> None:
        super().__init__(
            f"{name}: the hash differs: expected {kind}{expected}, got {got}",
            "Do not use this file: find out why the mirror serves another one.",
        )


class GoneError(ForgeError):
    """The mirror answers, and does not hold the file."""


class UnreachableError(ForgeError):
    """The mirror does not answer, or not in time."""


def cached(sha256: str, name: str) -> Path | None:
    """The file of that hash, when the cache holds it."""
    path = cache_dir("sources") / sha256 / name
    return path if path.is_file() else None


def keep(sha256: str, name: str, download: Callable[[Path], None]) -> Path:
    """The file of that hash; ``download`` is called with the path to write to when the cache does not hold it.

    Raises:
        HashMismatchError: what came has another hash; nothing is kept.
    """
    found = cached(sha256, name)
    if found:
        return found
    path = cache_dir("sources") / sha256 / name
    with replacing(path) as temporary:
        download(temporary)
        got = sha256_of(temporary)
        if got != sha256:
            raise HashMismatchError(name, sha256, got)
    return path
