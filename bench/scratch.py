"""File systems that were made for one run, and what is installed into them.

Each is an ext4 in a file on the disk of /var/tmp: what was there before, or was just deleted, has no part in it.
"""

import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Cost

ROUNDS = 5
FILE_SYSTEM = 6 * 2**30
"""Bytes of a file system."""


@contextmanager
def fresh_file_system(folder: Path) -> Iterator[Path]:
    """An empty ext4 in a file below ``folder``, for the block; all that was to be written before has been."""
    image, point = folder / "image", folder / "mounted"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(FILE_SYSTEM)
    # what a first mount would do in the background is done now
    made_now = ["-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", "-q", *made_now, str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    os.sync()
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
        point.rmdir()
        image.unlink()


def install(installer: Path, place: Path) -> list[str]:
    """The command that installs below ``place`` and leaves the host alone."""
    return ["bash", str(installer), "-b", "-s", "-p", f"{place}/prefix", "--log", "/dev/null"]


def ratio(pairs: Sequence[tuple[Cost, Cost]], part: Callable[[Cost], float]) -> float:
    """The median of what ours takes of theirs."""
    return statistics.median(part(ours) / part(theirs) for ours, theirs in pairs)
