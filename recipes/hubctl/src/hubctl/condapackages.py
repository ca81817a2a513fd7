"""Conda packages that were carried to this server: what each is, and whether it is whole."""

import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import zstandard

from hubctl import checksum
from hubctl.errors import HubError

SUBDIRS = ("linux-64", "noarch")
SUFFIXES = (".conda", ".tar.bz2")

LOCKS = "locks"
"""The folder of a channel in which each release has its locks, below its version."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_LOCK = re.compile(rf"{LOCKS}/{_NAME}/{_NAME}\.(explicit\.txt|conda-lock\.yml)")

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError, zstandard.ZstdError)
"""What a damaged package ends in, depending on where the damage is."""


@dataclass(frozen=True)
class Package:
    """A package file; or a lock, which names packages.

    Attributes:
        place: below a channel's folder, as ``noarch/six-1.17.0-0.conda``.
        sha256: in hex.
    """

    file: Path
    place: str
    sha256: str


def of_channel(folder: Path) -> list[Package]:
    """The packages of a channel's folder, each as its index says.

    Raises:
        HubError: a package is not what the index says, is not in it, or is missing.
    """
    found = []
    for subdir in SUBDIRS:
        sums = _sums(folder / subdir)
        files = {path.name: path for path in files_in(folder / subdir)}
        if missing := sorted(sums.keys() - files.keys()):
            raise HubError(
                f"{folder} lacks packages that its index names, {subdir}/{missing[0]} first", "copy it again"
            )
        for name, path in sorted(files.items()):
            sha256 = checksum.sha256_of(path)
            if sums.get(name) != sha256:
                expected = f"{sums[name]} by the index beside it" if name in sums else "not in the index beside it"
                raise HubError(f"{subdir}/{name} is damaged: sha256 {sha256}, {expected}", "copy it again")
            found.append(Package(path, f"{subdir}/{name}", sha256))
    return found


def locks_of(folder: Path) -> list[Package]:
    """The locks of a channel's folder, by which its releases can be installed exactly, the old ones, too."""
    found = [path for path in sorted(folder.glob(f"{LOCKS}/*/*")) if path.is_file()]
    places = {path: path.relative_to(folder) for path in found}
    return [Package(path, str(place), checksum.sha256_of(path)) for path, place in places.items() if is_lock(place)]


def is_lock(place: PurePath) -> bool:
    """Whether that is where a channel has a lock: ``locks/2026.11/base.explicit.txt``."""
    return bool(_LOCK.fullmatch(str(place)))


def single(file: Path) -> Package:
    """One package; its own check sums have to be right, and those of ``FILE.sha256`` where that is there.

    Raises:
        HubError: it is damaged, or has another name than its content.
    """
    checksum.check(file)
    with _explained(file):
        index = _index(file)
        name = f"{index['name']}-{index['version']}-{index['build']}"
        subdir = index.get("subdir") or ""
    suffix = next(suffix for suffix in SUFFIXES if file.name.endswith(suffix))
    if file.name != name + suffix:
        raise HubError(f"{file} holds {name}", f"give it back its name, {name}{suffix}")
    if subdir not in SUBDIRS:
        raise HubError(f"{file} is made for {subdir or 'nothing known'}", f"this server takes {' and '.join(SUBDIRS)}")
    return Package(file, f"{subdir}/{file.name}", checksum.sha256_of(file))


def files_in(folder: Path) -> list[Path]:
    """The package files that lie directly in a folder."""
    return [path for path in sorted(folder.glob("*")) if path.name.endswith(SUFFIXES) and path.is_file()]


def has_index(folder: Path) -> bool:
    """Whether a folder is a channel's."""
    return any(
        (folder / subdir / name).is_file() for subdir in SUBDIRS for name in ("repodata.json", "repodata.json.zst")
    )


def _sums(subdir: Path) -> dict[str, str]:
    """File name to sha256, from the index; none where there is no index."""
    for path in (subdir / "repodata.json", subdir / "repodata.json.zst"):
        if not path.is_file():
            continue
        with _explained(path):
            data = path.read_bytes()
            if path.suffix == ".zst":
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            document = json.loads(data)
            records = {**document.get("packages", {}), **document.get("packages.conda", {})}
            return {name: record["sha256"] for name, record in records.items()}
    return {}


def _index(file: Path) -> dict[str, Any]:
    """``info/index.json``; all of the file is read, so that damage anywhere is noticed."""
    if file.suffix == ".conda":
        with zipfile.ZipFile(file) as archive:
            if damaged := archive.testzip():
                raise ValueError(damaged)
            with archive.open(f"info-{file.stem}.tar.zst") as packed:
                stream: Any = zstandard.ZstdDecompressor().stream_reader(packed)
                with tarfile.open(fileobj=stream, mode="r|") as members:
                    return dict(_members(members))["info/index.json"]
    with tarfile.open(file, "r:bz2") as members:
        return dict(_members(members))["info/index.json"]


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, Any]]:
    for member in archive:
        if member.name == "info/index.json" and (content := archive.extractfile(member)):
            yield member.name, json.load(content)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or something else"
        raise HubError(f"{path} can't be read: {reason}", "copy it to this server again") from None
