"""What differs between two builds of one release, and why: down to the first byte of a member of a package."""

import itertools
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from conda_package_streaming.package_streaming import (  # type: ignore[import-untyped]
    CondaComponent,
    stream_conda_component,
)

from forge.files import sha256_of
from forge.paths import CHANNEL, DIST, INSTALLER
from forge.target import SUBDIRS

SHOWN = 20
"""Causes that are named for one file; a build that went another way changes thousands."""

WINDOW = 40
"""Characters or bytes that are shown from where two contents part."""


@dataclass(frozen=True)
class Difference:
    """A file that two builds have made differently.

    Attributes:
        file: its place below ``dist``.
        causes: where its content differs, a line each.
    """

    file: str
    causes: tuple[str, ...]

    def __str__(self) -> str:
        more = [f"and {len(self.causes) - SHOWN} more"] if len(self.causes) > SHOWN else []
        return "\n  ".join([self.file, *self.causes[:SHOWN], *more])


@dataclass(frozen=True)
class Member:
    """What a package holds below one path: everything of it that its archive says, and the content."""

    header: Mapping[str, Any]
    data: bytes


def between(first: Path, second: Path) -> list[Difference]:
    """The files of two ``dist`` folders, packages, index and installer, whose sha256 differ or that one lacks."""
    ours, theirs = _published(first), _published(second)
    lonely = sorted(ours.keys() ^ theirs.keys())
    pairs = {(name, name) for name in ours.keys() & theirs.keys()}
    renamed = set(_renamed([name for name in lonely if name in ours], [name for name in lonely if name in theirs]))
    found = [
        Difference(" against ".join(dict.fromkeys(pair)), tuple(_causes(ours[pair[0]], theirs[pair[1]])))
        for pair in sorted(pairs | renamed)
        if pair in renamed or sha256_of(ours[pair[0]]) != sha256_of(theirs[pair[1]])
    ]
    known = {name for pair in renamed for name in pair}
    return found + [
        Difference(name, (f"only the {'first' if name in ours else 'second'} build has it",))
        for name in lonely
        if name not in known
    ]


def _published(dist: Path) -> dict[str, Path]:
    """What a release consists of, by its place below ``dist``."""
    folders = [dist / CHANNEL.relative_to(DIST) / subdir for subdir in SUBDIRS]
    files = [path for folder in folders for path in folder.glob("[!.]*")]
    return {path.relative_to(dist).as_posix(): path for path in [*files, dist / INSTALLER.relative_to(DIST)]}


def _renamed(ours: Iterable[str], theirs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Packages of one version whose build strings differ: they hold a digest of all that the package was built with."""

    def without_build(name: str) -> str:
        return name.rpartition("-")[0]

    others = {without_build(name): name for name in theirs}
    return ((name, others[without_build(name)]) for name in ours if without_build(name) in others)


def _causes(first: Path, second: Path) -> Iterator[str]:
    if first.name != second.name:
        yield "the names differ: something that it was built with does"
    if first.suffix == ".conda":
        yield from _between_packages(first, second)
    elif first.suffix == ".json":
        yield from _between_indices(first, second)
    elif first.suffix == ".zst":
        yield _first_difference(*(_decompressed(path) for path in (first, second))) or "the compression differs"
    else:
        yield from _between_installers(first, second)


# ---- packages ----


def _between_packages(first: Path, second: Path) -> Iterator[str]:
    ours, theirs = _members(first), _members(second)
    causes = list(_between_members(ours, theirs))
    if not causes and list(ours) != list(theirs):
        swapped = next(pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1])
        causes = [f"the order of its members: {' | '.join(swapped)}"]
    return iter(causes or ["its members are the same: the compression or the zip around them differs"])


def _between_members(ours: Mapping[str, Member], theirs: Mapping[str, Member]) -> Iterator[str]:
    """A line for each difference; ``info/paths.json``, which holds every member's hash, says nothing of its own."""
    differing = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    for name in differing:
        if name not in ours or name not in theirs:
            yield f"{name}: only the {'first' if name in ours else 'second'} build has it"
        elif name != "info/paths.json" or differing == [name]:
            one, other = ours[name], theirs[name]
            heads = [f"{key} {one.header[key]} | {other.header[key]}" for key in one.header]
            unlike = [text for key, text in zip(one.header, heads, strict=True) if one.header[key] != other.header[key]]
            content = _first_difference(one.data, other.data)
            yield f"{name}: {', '.join([*unlike, *([content] if content else [])])}"


def _members(package: Path) -> dict[str, Member]:
    """Both archives of a ``.conda`` file, in their order."""
    found = {}
    for component in (CondaComponent.pkg, CondaComponent.info):
        with package.open("rb") as file:
            for tar, item in stream_conda_component(str(package), file, component=component):
                content = tar.extractfile(item) if item.isreg() else None
                header = {
                    "kind": item.type.decode(),
                    "mode": stat.filemode(item.mode),
                    "date": item.mtime,
                    "owner": f"{item.uid}:{item.gid} {item.uname}:{item.gname}",
                    "link": item.linkname,
                }
                found[item.name] = Member(header, content.read() if content else b"")
    return found


# ---- index and installer ----


def _between_indices(first: Path, second: Path) -> Iterator[str]:
    """A line for each package that ``repodata.json`` describes differently."""
    ours, theirs = (json.loads(path.read_text())["packages.conda"] for path in (first, second))
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name, {}), theirs.get(name, {})
        keys = [key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)]
        if keys:
            yield f"{name}: {', '.join(keys)}"


def _between_installers(first: Path, second: Path) -> Iterator[str]:
    """A line for each part; the header, which holds every part's hash, says nothing of its own."""
    ours, theirs = parts(first), parts(second)
    differing = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    for name in sorted(differing):
        if name != "header" or differing == [name]:
            yield f"its part {name}: {_first_difference(ours.get(name, b''), theirs.get(name, b''))}"


def parts(installer: Path) -> dict[str, bytes]:
    """The pieces of an installer by name; ``payload`` are all packages, one after the other."""
    data = installer.read_bytes()
    length = int(data.split(b"\nheader_length=")[1].split()[0])
    rows = [row.split() for row in data[:length].decode().split("\nparts='")[1].split("'")[0].splitlines()]
    found = {name: data[length + int(offset) : length + int(offset) + int(size)] for name, offset, size, _ in rows}
    return {"header": data[:length], **found, "payload": data[length + sum(map(len, found.values())) :]}


# ---- contents ----


def _first_difference(one: bytes, other: bytes) -> str:
    """Where two contents part: the line of a text, the byte of anything else; empty where they are the same."""
    if one == other:
        return ""
    try:
        return _first_line(one.decode(), other.decode()) if b"\0" not in one + other else _first_byte(one, other)
    except UnicodeDecodeError:
        return _first_byte(one, other)


def _first_line(one: str, other: str) -> str:
    lines = itertools.zip_longest(one.splitlines(keepends=True), other.splitlines(keepends=True), fillvalue="")
    number, (ours, theirs) = next(item for item in enumerate(lines, 1) if item[1][0] != item[1][1])
    start = max(0, _common(ours, theirs) - WINDOW // 2)
    return f"line {number}: {ours[start : start + WINDOW]!r} | {theirs[start : start + WINDOW]!r}"


def _first_byte(one: bytes, other: bytes) -> str:
    start = _common(one, other)
    sizes = f" of {len(one)}" if len(one) == len(other) else f" of {len(one)} | {len(other)}"
    return f"byte {start}{sizes}: {one[start : start + WINDOW]!r} | {other[start : start + WINDOW]!r}"


def _common(one: str | bytes, other: str | bytes) -> int:
    """How much of both is the same from the beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _decompressed(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
