"""The dates that archives carry, so that what is made of them bears theirs and not the day of the build."""

import tarfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

EARLIEST = 315_532_800
"""1980-01-01 in seconds since 1970: no date in a zip is older, and some archives have no dates at all."""


def newest(archive: Path) -> int:
    """The newest date of the files in a tar or zip archive, in seconds since 1970; EARLIEST at least."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            return newest_of(file.infolist())
    with tarfile.open(archive) as tar:
        return max((EARLIEST, *(int(member.mtime) for member in tar)))


def newest_of(entries: Iterable[zipfile.ZipInfo]) -> int:
    """The same of the entries of a zip. Their times have no zone: they are taken for UTC."""
    return max((EARLIEST, *(_seconds(*entry.date_time) for entry in entries)))


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    return int(datetime(year, month or 1, day or 1, hour, minute, min(second, 59), tzinfo=UTC).timestamp())
