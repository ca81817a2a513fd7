"""What has to be on the disk before something else is: a power cut keeps no order but the one that was asked for."""

import os
from pathlib import Path


def names_to_disk(folder: Path) -> None:
    """The names in a folder, as fsync(2) has it for folders. What the files hold is another matter."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def content_to_disk(path: Path) -> None:
    """What a file holds. Its name is another matter."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
