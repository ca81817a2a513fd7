"""The ``.conda`` file (CEP 35): written, read, and where its parts lie in it."""

import hashlib
import io
import json
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import zstandard
from conda_package_streaming.package_streaming import (  # type: ignore[import-untyped]
    CondaComponent,
    stream_conda_component,
    zstd,
)

from forge.condapkg.documents import About, Index, Member, PathEntry
from forge.errors import ForgeError
from forge.files import replacing

ZSTD_LEVEL = 12
"""zstd's level for both inner archives.

Of 300 MB of the hub's packages: 12 takes 18 CPU seconds; 17 takes 86, a third of all that a cold build spends, and the
files are 6 % smaller. Unpacking takes the same.
"""

_METADATA = b'{"conda_pkg_format_version": 2}'
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Span:
    """Where bytes lie in a file: ``offset`` and ``length`` in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class Parts:
    """Where the two inner archives of a ``.conda`` file lie; both are tar, compressed by zstd."""

    pkg: Span
    info: Span


@dataclass(frozen=True)
class Package:
    """A ``.conda`` file that was read: everything of ``info/``, the installed files on demand."""

    path: Path
    index: Index
    about: Mapping[str, Any]
    paths: tuple[PathEntry, ...]
    info: Mapping[str, bytes]
    """The files below ``info/``, by their path without ``info/``."""

    def members(self) -> Iterator[Member]:
        """The installed files, in the archive's order, one at a time in memory.

        Raises:
            ForgeError: the archive is damaged, or holds what is neither a file nor a link.
        """
        entries = {entry.path: entry for entry in self.paths}
        for tar, info in _stream(self.path, CondaComponent.pkg):
            if info.isdir():
                continue
            entry = entries.get(info.name)
            if entry is None:
                raise ForgeError(f"{self.path.name}: {info.name} is not in its info/paths.json.", "Build it again.")
            member = Member(info.name, executable=bool(info.mode & 0o111), no_link=entry.no_link)
            if entry.placeholder:
                member = replace(member, file_mode=entry.file_mode, placeholder=entry.placeholder)
            yield replace(member, link=info.linkname) if info.issym() else replace(member, data=_data(tar, info))


def write(
    folder: Path,
    index: Index,
    members: Iterable[Member],
    *,
    epoch: int,
    about: About | None = None,
    licenses: Mapping[str, bytes] | None = None,
    entry_points: Sequence[str] = (),
    tests: str = "",
) -> Path:
    """Writes ``folder/<name>-<version>-<build>.conda``; the same arguments give the same bytes.

    Args:
        folder: where the file goes; made when missing.
        index: what the solver will read.
        members: the installed files, in any order; they are sorted.
        epoch: seconds since 1970, the date of everything inside.
        about: what people will read.
        licenses: licence texts by their path below ``info/licenses/``.
        entry_points: ``name = module:function`` of a ``noarch: python`` package; whoever installs makes the scripts.
        tests: ``info/tests/tests.yaml`` (CEP 14), the tests that the package carries.

    Returns:
        The file.

    Raises:
        ForgeError: two members with one path, or one that leads out of the prefix.
    """
    info = {f"licenses/{name}": text for name, text in (licenses or {}).items()}
    if tests:
        info["tests/tests.yaml"] = tests.encode()
    info["index.json"] = json_bytes(index.document(epoch))
    info["about.json"] = json_bytes((about or About()).document())
    if index.noarch == "python":
        noarch = {"type": "python", **({"entry_points": list(entry_points)} if entry_points else {})}
        info["link.json"] = json_bytes({"noarch": noarch, "package_metadata_version": 1})
    return write_container(folder / index.file_name, sorted(members, key=lambda member: member.path), info, epoch)


def read(path: Path) -> Package:
    """Reads the ``info`` archive of a ``.conda`` file.

    Raises:
        ForgeError: ``path`` is no conda package, or is damaged.
    """
    info: dict[str, bytes] = {}
    for tar, member in _stream(path, CondaComponent.info):
        if member.isreg():
            info[member.name.removeprefix("info/")] = _data(tar, member)
    try:
        index = Index.from_document(json.loads(info["index.json"]))
        paths = tuple(PathEntry.from_document(entry) for entry in json.loads(info["paths.json"])["paths"])
        about = json.loads(info.get("about.json", b"{}"))
    except (KeyError, TypeError, ValueError) as error:
        raise ForgeError(
            f"{path.name} has no usable info/index.json and info/paths.json.", "Build it again."
        ) from error
    return Package(path=path, index=index, about=about, paths=paths, info=info)


def write_container(target: Path, members: Iterable[Member], info: dict[str, bytes], epoch: int) -> Path:
    """Writes the container around ``members`` (sorted by path) and ``info``; makes ``paths.json`` on the way."""
    stem = target.name.removesuffix(".conda")
    with replacing(target) as temporary, tempfile.TemporaryFile(dir=target.parent) as pkg:
        entries = _write_members(pkg, members, epoch, stem)
        info = info | {"paths.json": json_bytes({"paths": [entry.document() for entry in entries], "paths_version": 1})}
        info_tar = io.BytesIO()
        with tarfile.open(fileobj=info_tar, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(info):
                _add(tar, Member(f"info/{name}", info[name]), epoch)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo("metadata.json", _ZIP_DATE), _METADATA)
            _store(archive, f"pkg-{stem}.tar.zst", cast(BinaryIO, pkg))
            _store(archive, f"info-{stem}.tar.zst", info_tar)
    return target


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A document of ``info/`` as its file has it."""
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def parts(path: Path) -> Parts:
    """Where the two inner archives lie in the file, so that they can be read without a zip reader.

    Raises:
        ForgeError: ``path`` is no ``.conda`` file, or its members are compressed once more by the zip.
    """
    spans: dict[str, Span] = {}
    with path.open("rb") as file, _unzipped(path) as archive:
        for item in archive.infolist():
            if item.compress_type != zipfile.ZIP_STORED:
                raise ForgeError(f"{path.name}: {item.filename} is compressed in the zip, CEP 35 wants it stored.")
            file.seek(item.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            offset = item.header_offset + 30 + name_length + extra_length
            spans[item.filename.partition("-")[0]] = Span(offset, item.file_size)
    if not {"pkg", "info"} <= spans.keys():
        raise ForgeError(f"{path.name} lacks its pkg- or its info- archive.", "Build it again.")
    return Parts(pkg=spans["pkg"], info=spans["info"])


def _write_members(file: Any, members: Iterable[Member], epoch: int, stem: str) -> list[PathEntry]:
    entries: dict[str, PathEntry] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            _check_path(stem, member.path)
            if member.path in entries:
                raise ForgeError(f"{stem}: two files would be installed as {member.path}.")
            _add(tar, member, epoch)
            entries[member.path] = _entry(member)
            if member.link is not None:
                links[member.path] = member.link
    for path in links:
        if (pointed := entries.get(_follow(path, links))) is not None and pointed.path != path:
            entries[path] = replace(entries[path], sha256=pointed.sha256, size=pointed.size)
    return [entries[path] for path in sorted(entries)]


def _entry(member: Member) -> PathEntry:
    data = member.data if member.link is None else b""
    return PathEntry(
        path=member.path,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        path_type="hardlink" if member.link is None else "softlink",
        file_mode=member.file_mode,
        placeholder=member.placeholder if member.file_mode else None,
        no_link=member.no_link,
    )


def _follow(path: str, links: Mapping[str, str]) -> str:
    """The path in the package that a chain of relative links ends at."""
    for _ in range(len(links)):
        if path not in links:
            break
        folder = list(PurePosixPath(path).parent.parts)
        for part in PurePosixPath(links[path]).parts:
            if part == ".." and folder:
                folder.pop()
            elif part != ".":
                folder.append(part)
        path = "/".join(folder)
    return path


def _check_path(stem: str, path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "" in parts or parts[0] == "info":
        raise ForgeError(f"{stem}: it would install a file as {path!r}, which is no place in a prefix.")


def _add(tar: tarfile.TarFile, member: Member, epoch: int) -> None:
    item = tarfile.TarInfo(member.path)
    item.mtime = epoch
    item.mode = 0o755 if member.executable else 0o644
    if member.link is not None:
        item.type, item.linkname, item.mode = tarfile.SYMTYPE, member.link, 0o777
        tar.addfile(item)
    else:
        item.size = len(member.data)
        tar.addfile(item, io.BytesIO(member.data))


def _store(archive: zipfile.ZipFile, name: str, tar: BinaryIO) -> None:
    size = tar.tell()
    tar.seek(0)
    item = zipfile.ZipInfo(name, _ZIP_DATE)
    item.external_attr = 0o644 << 16
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    with archive.open(item, "w", force_zip64=size >= zipfile.ZIP64_LIMIT) as stored:
        compressor.copy_stream(tar, stored, size=size)


def _unzipped(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ForgeError(f"{path} is no readable .conda file: {error}.", "Build it again.") from error


def _stream(path: Path, component: CondaComponent) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    try:
        with _unzipped(path) as archive:
            yield from stream_conda_component(str(path), component=component, zf=archive)
    except (LookupError, zipfile.BadZipFile, tarfile.TarError, zstd.ZstdError, EOFError, OSError) as error:
        raise ForgeError(f"{path} is damaged: {error}.", "Build it again.") from error


def _data(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if not info.isreg() or (file := tar.extractfile(info)) is None:
        raise ForgeError(f"{info.name} in a conda package is neither a file nor a symbolic link.")
    return file.read()
