"""Files that were carried to this server, and the sums beside them."""

import hashlib
from io import BufferedReader
from pathlib import Path

from hubctl.errors import HubError


def check(file: Path) -> None:
    """Compares a file with ``FILE.sha256``, where that lies beside it, as ``sha256sum --check`` would.

    Raises:
        HubError: the file can't be read, or is another one.
    """
    sums = file.with_name(f"{file.name}.sha256")
    if sums.is_file() and sums.read_text().split()[:1] != [sha256_of(file)]:
        raise HubError(f"{file} is not what {sums.name} says", "copy it to this server again")


def sha256_of(file: Path) -> str:
    """The file's sha256, in hex.

    Raises:
        HubError: it can't be read.
    """
    with opened(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def opened(file: Path) -> BufferedReader:
    """The file, to be read.

    Raises:
        HubError: it can't be.
    """
    try:
        return file.open("rb")
    except OSError as error:
        raise HubError(f"{file} can't be read: {error.strerror}") from None
