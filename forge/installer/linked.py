"""What a new installation's prefix consists of, worked out when the installer is made: linking is then unpacking.

Each environment is an archive (tar, zstd) that the helper lays down below its prefix: hard links into the package
cache, symbolic links, and the files that hold the prefix. It is what rattler would make of the same packages, records
included (tests/unit/test_installer_linked.py holds the two against each other); rattler itself links what is brought to
another release. ``helper/lay.h`` describes the entries that are not in every tar: texts with words to be filled in, and
files of the cache in which the prefix stands for a placeholder (type ``P``).
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import zstandard
from rattler import MatchSpec

from forge import condapkg
from forge.condapkg import ZSTD_LEVEL, PathEntry
from forge.errors import ForgeError
from forge.installer import link
from forge.installer.carried import Carried

PATCHED = b"P"
"""The tar entry's type: of a file of the cache, with the prefix in it."""

ALWAYS_TOLD = ("build_number", "depends")
"""Of a package's record, also where they are zero or empty."""

PATH_KEYS = (
    *("_path", "path_type", "no_link", "sha256", "sha256_in_prefix", "size_in_bytes"),
    *("file_mode", "prefix_placeholder"),
)
"""What a record says of a file, in rattler's order."""

ENTRY_POINT = """\
#!{prefix}/bin/python{series}
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {imported}

if __name__ == '__main__':
\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
\tsys.exit({function}())
"""
"""The script of an entry point, as rattler makes it."""


def _word(name: str) -> str:
    return f"@hubforge:{name}@"


class _Archive:
    """An archive in the making."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._entries = bytearray()
        self._made = 0

    def add(self, path: str, *, kind: bytes = tarfile.REGTYPE, to: str = "", text: str = "", mode: int = 0o644) -> int:
        """Adds an entry; returns the number of the file that is made of it, where one is."""
        item = tarfile.TarInfo(path)
        item.type, item.linkname, item.mode, item.mtime = kind, to, mode, self._epoch
        data = text.encode()
        item.size = len(data)
        self._entries += item.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
        self._entries += data + bytes(-len(data) % tarfile.BLOCKSIZE)
        if kind in (tarfile.REGTYPE, PATCHED):
            self._made += 1
        return self._made - 1

    def compressed(self) -> bytes:
        """All of it."""
        end = bytes(2 * tarfile.BLOCKSIZE)
        return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(self._entries + end)


def archives(release: link.Release, packages: Sequence[Carried], series: str, epoch: int) -> dict[str, bytes]:
    """The parts of the installer that hold them, by name: one an environment, the cache's records, the marker.

    Args:
        series: Python's version in the names of folders, ``3.13``.
        epoch: the date of what is made, in seconds since 1970.

    Raises:
        ForgeError: two packages of an environment have the same file.
    """
    by_key = {package.key: package for package in packages}
    found = {}
    for environment in release.environments:
        carried = [by_key[f"{package.subdir}/{package.file_name}"] for package in environment.packages]
        found[f"linked-{environment.name}"] = _environment(release, environment, carried, series, epoch)
    cache, marker = _Archive(epoch), _Archive(epoch)
    for package in release.packages:
        cache.add(f"{package.stem}/info/repodata_record.json", text=package.cache_record)
    cache.add("urls.txt", text="".join(f"{package.url}\n" for package in release.packages))
    marker.add("installed.json", text=link.marker(release, _word("utc"), {}))
    return {**found, "linked-cache": cache.compressed(), "linked-marker": marker.compressed()}


def _environment(
    release: link.Release, environment: link.Environment, packages: Sequence[Carried], series: str, epoch: int
) -> bytes:
    archive = _Archive(epoch)
    owners: dict[str, Carried] = {}
    for package in packages:
        paths = _Linking(archive, package, series).paths()
        for path in paths:
            owner = owners.setdefault(path["_path"], package)
            if owner is not package:
                raise ForgeError(
                    f"{owner.index.stem} and {package.index.stem} both install {path['_path']} in {environment.name}.",
                    "Take it out of one of them.",
                )
        text = _record(release, environment, package, paths)
        archive.add(f"conda-meta/{package.index.stem}.json", text=text, to=f"{package.index.stem}/info/paths.json")
    names = sorted(f"+{release.channel_name}/{package.index.subdir}::{package.index.stem}" for package in packages)
    history = link.revision(environment, release, _word("time"), _word("command"), names)
    archive.add("conda-meta/history", text=history)
    if environment.name == "base":
        archive.add(".condarc", text=release.condarc)
    return archive.compressed()


def _record(
    release: link.Release, environment: link.Environment, package: Carried, paths: Sequence[Mapping[str, Any]]
) -> str:
    """A package's record in ``conda-meta``, as rattler writes it."""
    folder = f"{_word('cache')}/{package.index.stem}"
    asked = (MatchSpec(spec) for spec in environment.specs)
    told = {key: value for key, value in sorted(package.record.items()) if value or key in ALWAYS_TOLD}
    told |= {
        "fn": package.index.file_name,
        "url": f"{release.channel_url}/{package.key}",
        "channel": release.channel_url,
        "extracted_package_dir": folder,
        "requested_specs": [str(spec) for spec in asked if spec.name.normalized == package.index.name],
        "files": [path["_path"] for path in paths],
        "paths_data": {"paths_version": 1, "paths": paths},
        "link": {"source": folder, "type": 1},
    }
    # a number has no quotes
    return re.sub(r'"(@hubforge:size \d+@)"', r"\1", json.dumps(told, indent=2, ensure_ascii=False))


class _Linking:
    """Adds what one package installs to an archive, and says what conda has to know of it."""

    def __init__(self, archive: _Archive, package: Carried, series: str) -> None:
        self._archive = archive
        self._package = package
        self._series = series
        self._next_hash = 0
        self._targets: Mapping[str, str] = {}
        if any(entry.path_type == "softlink" for entry in package.paths):
            members = condapkg.read(package.path).members()
            self._targets = {member.path: member.link for member in members if member.link is not None}

    def paths(self) -> list[dict[str, Any]]:
        """What the package's record in ``conda-meta`` says of each of its files, in rattler's order."""
        entries = sorted(self._package.paths, key=lambda entry: self._installed(entry.path).split("/"))
        paths = [self._path(entry) for entry in entries]
        paths += [self._entry_point(line) for line in self._package.entry_points]
        paths.sort(key=lambda path: str(path["_path"]).split("/"))
        return [{key: path[key] for key in PATH_KEYS if key in path} for path in paths]

    def _path(self, entry: PathEntry) -> dict[str, Any]:
        path = self._installed(entry.path)
        source = f"{self._package.index.stem}/{entry.path}"
        record: dict[str, Any] = {
            "_path": path,
            "path_type": entry.path_type,
            "sha256": self._hash(entry),
            "size_in_bytes": entry.size,
        }
        if entry.path_type == "softlink":
            target = self._targets[entry.path]
            self._archive.add(path, kind=tarfile.SYMTYPE, to=target)
            record["sha256_in_prefix"] = hashlib.sha256(target.encode()).hexdigest()
        elif entry.placeholder or entry.no_link:
            how = f"{entry.file_mode} {entry.placeholder}" if entry.placeholder else "copy"
            number = self._archive.add(path, kind=PATCHED, to=source, text=how)
            record |= self._made(entry, number)
        else:
            self._archive.add(path, kind=tarfile.LNKTYPE, to=source)
        return record

    def _hash(self, entry: PathEntry) -> str:
        """The file's hash, which is the next one of ``info/paths.json``, or another one of it."""
        hashes, expected = self._package.hashes, self._next_hash
        if hashes[expected : expected + 1] == [entry.sha256]:
            self._next_hash += 1
            return _word("hash")
        number = hashes.index(entry.sha256)
        self._next_hash = number + 1
        return _word(f"hash {number}")

    @staticmethod
    def _made(entry: PathEntry, number: int) -> dict[str, Any]:
        """What the record says of a file that is no link."""
        if not entry.placeholder:
            return {"no_link": True}
        return {
            "sha256_in_prefix": _word(f"sha256 {number}"),
            "size_in_bytes": _word(f"size {number}"),
            "file_mode": entry.file_mode,
            "prefix_placeholder": entry.placeholder,
        }

    def _installed(self, path: str) -> str:
        """Where a file of the package goes: the folders of ``noarch: python`` are those of every Python (CEP 34)."""
        if self._package.index.noarch == "python":
            if path.startswith("site-packages/"):
                return f"lib/python{self._series}/{path}"
            if path.startswith("python-scripts/"):
                return f"bin/{path.removeprefix('python-scripts/')}"
        return path

    def _entry_point(self, line: str) -> dict[str, Any]:
        """``line`` is ``name = module:function``."""
        name, _, place = (part.strip() for part in line.partition("="))
        module, _, function = (part.strip() for part in place.partition(":"))
        text = ENTRY_POINT.format(
            prefix=_word("prefix"),
            series=self._series,
            module=module,
            imported=function.partition(".")[0],
            function=function,
        )
        number = self._archive.add(f"bin/{name}", text=text, mode=0o775)
        return {
            "_path": f"bin/{name}",
            "path_type": "unix_python_entry_point",
            "sha256": _word(f"sha256 {number}"),
            "size_in_bytes": _word(f"size {number}"),
        }
