"""One change of an installation at a time: the lock that the installer takes, too."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .prefix import FailedError


@contextmanager
def alone(path: Path) -> Iterator[int]:
    """Holds the lock (flock(2)); gives its descriptor, for programs to inherit: one that outlives a kill is waited for.

    Raises:
        FailedError: somebody else changes the installation.
    """
    while True:
        with path.open("a+") as file:
            _take(file.fileno(), path)
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # whoever held it has removed it meanwhile
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            try:
                yield file.fileno()
            finally:
                path.unlink(missing_ok=True)
            return


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = path.read_text().strip() if path.exists() else ""
        if holder and Path("/proc", holder).exists():
            raise FailedError(f"process {holder} is changing the installation; wait until it has ended") from None
        print("What an interrupted run has started still works; waiting for its end", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
