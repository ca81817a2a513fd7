"""The hub's log where there is no journal."""

import os
from pathlib import Path
from typing import IO

ROTATE_ABOVE = 10 * 1024**2
"""Bytes above which a start begins a new file."""
KEEP = 5
"""Old files that are kept."""


def open_for_hub(path: Path) -> IO[bytes]:
    """The log, opened for appending, 0640; a big one is put aside first as ``.1``, and so on."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > ROTATE_ABOVE:
        _rotate(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "ab")


def _rotate(path: Path) -> None:
    for number in range(KEEP, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))


def since(path: Path, offset: int, lines: int) -> list[str]:
    """The last ``lines`` that were written after ``offset`` bytes."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace").splitlines()[-lines:]
