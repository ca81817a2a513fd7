"""Builds that run at the same time: one writer of a thing at a time, and nothing removed that another one uses.

All locks are flock(2)'s: they end with the process that holds them, however it ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forge.paths import DIST
from forge.progress import say


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[None]:
    """Holds the lock of the file ``path``, which is made when it is missing, for this process alone.

    Args:
        waiting: what is said when another one holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone() -> Iterator[None]:
    """For what writes ``dist/``, ``lockfiles/`` and this checkout's folders in the cache."""
    with locked(DIST / ".lock", "another build is at work in this checkout; waiting"):
        yield


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Marks the file ``path`` as used by this process; any number of processes may use it."""
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_in_use(path: Path) -> bool:
    """Whether a process uses the file ``path``; one that is missing is not used."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
