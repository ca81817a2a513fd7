"""The ``.conda`` file: write it, read it, and make anybody's build of it the same bytes.

Sources: CEP 34 (contents of conda packages), CEP 35 (the ``.conda`` container), CEP 26 (names of packages and files).
What is written here goes beyond them in three points, so that one content has one file: members have the release's
date, no owner and one of two modes; they are sorted by path; the three members of the zip are stored in a fixed order.
"""

import hashlib
import io
import json
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, cast

import zstandard
from conda_package_streaming.package_streaming import (  # type: ignore[import-untyped]
    CondaComponent,
    stream_conda_component,
    zstd,
)

from forge.errors import ForgeError
from forge.files import replacing

PLACEHOLDER = ("/opt/hubforge" + "_placehold" * 25)[:255]
"""Stands for the prefix in every package; 255 bytes, as in conda-build, so that any real prefix fits in its place."""

ZSTD_LEVEL = 12
"""zstd's level for both inner archives.

Of 300 MB of the hub's packages: 12 takes 18 CPU seconds; 17 takes 86, a third of all that a cold build spends, and the
files are 6 % smaller. Unpacking takes the same.
"""

FileMode = Literal["text", "binary"]

_METADATA = b'{"conda_pkg_format_version": 2}'
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_KEPT_INFO = ("about.json", "index.json", "link.json", "paths.json", "run_exports.json", "licenses/", "tests/")
_BUILD_MACHINE_KEYS = ("channels", "conda_build_version", "conda_version", "env_vars", "root_pkgs")


@dataclass(frozen=True)
class Index:
    """``info/index.json``: what the solver reads.

    ``timestamp`` is in milliseconds since 1970; None means that the writer fills it from its epoch.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    subdir: str = "noarch"
    noarch: Literal["python", "generic"] | None = None
    license: str | None = None
    license_family: str | None = None
    python_site_packages_path: str | None = None
    track_features: str | None = None
    timestamp: int | None = None

    @property
    def stem(self) -> str:
        """``name-version-build``: the file's name without its extension (CEP 26)."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        """The package's file name in its channel."""
        return f"{self.stem}.conda"

    def document(self, epoch: int) -> dict[str, Any]:
        """The JSON document; ``epoch`` (seconds) stands in for a missing timestamp."""
        platform, _, machine = self.subdir.partition("-")
        document: dict[str, Any] = {
            "arch": {"64": "x86_64"}.get(machine, machine) or None,
            "build": self.build,
            "build_number": self.build_number,
            "constrains": list(self.constrains),
            "depends": list(self.depends),
            "name": self.name,
            "platform": platform if machine else None,
            "subdir": self.subdir,
            "timestamp": epoch * 1000 if self.timestamp is None else self.timestamp,
            "version": self.version,
        }
        for key in ("noarch", "license", "license_family", "python_site_packages_path", "track_features"):
            if (value := getattr(self, key)) is not None:
                document[key] = value
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Index":
        """From ``info/index.json`` or from a record of ``repodata.json``; keys unknown here are left out."""
        known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
        for key in ("depends", "constrains"):
            known[key] = tuple(known.get(key, ()))
        return cls(**known)


@dataclass(frozen=True)
class About:
    """``info/about.json``: what people read. ``extra`` says where the package comes from."""

    summary: str = ""
    license: str = ""
    home: str = ""
    description: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON document, without what is empty."""
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return {key: dict(value) if key == "extra" else value for key, value in values.items() if value}


@dataclass(frozen=True)
class Member:
    """One installed file.

    ``path`` is relative to the prefix. ``link`` is the target of a symbolic link (then ``data`` is empty).
    ``file_mode`` is set where the data holds ``placeholder``: how the installing side replaces it.
    """

    path: str
    data: bytes = b""
    executable: bool = False
    link: str | None = None
    file_mode: FileMode | None = None
    placeholder: str = PLACEHOLDER
    no_link: bool = False


@dataclass(frozen=True)
class PathEntry:
    """One line of ``info/paths.json``. Of a link to a file in the package: hash and size are the file's."""

    path: str
    sha256: str
    size: int
    path_type: Literal["hardlink", "softlink", "directory"] = "hardlink"
    file_mode: FileMode | None = None
    placeholder: str | None = None
    no_link: bool = False

    def document(self) -> dict[str, Any]:
        """The JSON document."""
        document: dict[str, Any] = {"_path": self.path, "path_type": self.path_type}
        if self.placeholder:
            document |= {"file_mode": self.file_mode, "prefix_placeholder": self.placeholder}
        if self.no_link:
            document["no_link"] = True
        return document | {"sha256": self.sha256, "size_in_bytes": self.size}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "PathEntry":
        """From an entry of ``paths``."""
        placeholder = document.get("prefix_placeholder") or None
        return cls(
            path=document["_path"],
            sha256=document.get("sha256") or "",
            size=document.get("size_in_bytes") or 0,
            path_type=document.get("path_type", "hardlink"),
            file_mode=document.get("file_mode", "text") if placeholder else None,
            placeholder=placeholder,
            no_link=bool(document.get("no_link")),
        )


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

    Returns:
        The file.

    Raises:
        ForgeError: two members with one path, or one that leads out of the prefix.
    """
    info = {f"licenses/{name}": text for name, text in (licenses or {}).items()}
    info["index.json"] = _json(index.document(epoch))
    info["about.json"] = _json((about or About()).document())
    if index.noarch == "python":
        noarch = {"type": "python", **({"entry_points": list(entry_points)} if entry_points else {})}
        info["link.json"] = _json({"noarch": noarch, "package_metadata_version": 1})
    return _write(folder / index.file_name, sorted(members, key=lambda member: member.path), info, epoch)


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


def normalise(package: Path, target: Path, epoch: int) -> None:
    """Writes ``package`` to ``target`` so that one content has one file, wherever and whenever it was built.

    The date is ``epoch`` (seconds since 1970), owners are gone, files are 0644 or 0755, what ``info/`` says about the
    build machine is gone, and the folder that it was built in (``prefix_placeholder``) is ``PLACEHOLDER`` everywhere.

    Args:
        package: the file as the build left it.
        target: ``<name>-<version>-<build>.conda`` of the same package.
        epoch: the release's date.

    Raises:
        ForgeError: the package is damaged; its placeholder has another length than ``PLACEHOLDER``; ``target`` has
            another package's name.
    """
    source = read(package)
    if target.name != source.index.file_name:
        raise ForgeError(f"{package.name} cannot become {target.name}: it is {source.index.file_name}.")
    built_in = _built_in(source)
    info = {name: data.replace(*built_in) for name, data in source.info.items() if name.startswith(_KEPT_INFO)}
    document = json.loads(info["index.json"]) | {"timestamp": epoch * 1000}
    for key in ("depends", "constrains"):  # the builder writes what run_exports add in varying order
        document[key] = sorted(document.get(key, []))
    info["index.json"] = _json(document)
    about = {key: value for key, value in source.about.items() if key not in _BUILD_MACHINE_KEYS}
    info["about.json"] = _json(about).replace(*built_in)
    _write(target, (_relocated(member, *built_in) for member in _sorted_members(source)), info, epoch)


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


def _built_in(source: Package) -> tuple[bytes, bytes]:
    """What stands for the prefix in the package and what shall, for ``bytes.replace``."""
    found = {entry.placeholder for entry in source.paths if entry.placeholder}
    if len(found) > 1:
        raise ForgeError(f"{source.path.name} holds {len(found)} placeholder prefixes, one is possible.")
    placeholder = found.pop() if found else PLACEHOLDER
    if len(placeholder) != len(PLACEHOLDER):
        raise ForgeError(
            f"{source.path.name} was built in a placeholder prefix of {len(placeholder)} characters, not 255.",
            "Build it in a folder with a shorter path.",
        )
    return placeholder.encode(), PLACEHOLDER.encode()


def _relocated(member: Member, built_in: bytes, placeholder: bytes) -> Member:
    link = member.link and member.link.replace(built_in.decode(), placeholder.decode())
    return replace(member, data=member.data.replace(built_in, placeholder), link=link, placeholder=PLACEHOLDER)


def _sorted_members(source: Package) -> list[Member]:
    return sorted(source.members(), key=lambda member: member.path)


def _write(target: Path, members: Iterable[Member], info: dict[str, bytes], epoch: int) -> Path:
    """Writes the container around ``members`` (sorted by path) and ``info``; makes ``paths.json`` on the way."""
    stem = target.name.removesuffix(".conda")
    with replacing(target) as temporary, tempfile.TemporaryFile(dir=target.parent) as pkg:
        entries = _write_members(pkg, members, epoch, stem)
        info = info | {"paths.json": _json({"paths": [entry.document() for entry in entries], "paths_version": 1})}
        info_tar = io.BytesIO()
        with tarfile.open(fileobj=info_tar, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(info):
                _add(tar, Member(f"info/{name}", info[name]), epoch)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo("metadata.json", _ZIP_DATE), _METADATA)
            _store(archive, f"pkg-{stem}.tar.zst", cast(BinaryIO, pkg))
            _store(archive, f"info-{stem}.tar.zst", info_tar)
    return target


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


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
