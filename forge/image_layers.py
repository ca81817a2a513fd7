"""Layers of an image, and the file that `docker load` reads (Docker Image Specification v1.2, combined JSON and tar).

The same content gives the same bytes: members are sorted, belong to root, and have one date.
"""

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from forge.files import replacing, sha256_of

_LEVEL = 9
"""zstd's level: half of the image are jars, which no level makes much smaller."""


@dataclass(frozen=True)
class Tree:
    """A folder, and where its content goes in the image (without the leading ``/``; empty: the root)."""

    folder: Path
    target: str = ""


@dataclass(frozen=True)
class Layer:
    """A layer's tar archive, and its sha256."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> "Layer":
        """The layer in a file, which is read whole."""
        return cls(path, sha256_of(path))


def write_layer(trees: Iterable[Tree], target: Path, epoch: int) -> None:
    """Writes a layer's tar archive; files are readable by everybody, and writable by root alone."""
    members: dict[Path, Path] = {}
    for tree in trees:
        place = Path(tree.target)
        members |= dict.fromkeys([place, *place.parents], tree.folder)
        members |= {place / path.relative_to(tree.folder): path for path in tree.folder.rglob("*")}
    del members[Path()]
    with replacing(target) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for place in sorted(members):
            path = members[place]
            info = _plain(tarfile.TarInfo(place.as_posix()), path, epoch)
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def _plain(info: tarfile.TarInfo, path: Path, epoch: int) -> tarfile.TarInfo:
    info.uname = info.gname = "root"
    info.mtime = epoch
    found = path.lstat()
    executable = stat.S_ISDIR(found.st_mode) or found.st_mode & 0o100
    info.mode = 0o755 if executable else 0o644
    if stat.S_ISLNK(found.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
    elif stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    else:
        info.size = found.st_size
    return info


def config(layers: Sequence[Layer], settings: dict[str, Any], epoch: int) -> bytes:
    """The image's configuration; its sha256 is the image's id."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": created, "created_by": layer.path.stem} for layer in layers],
    }
    return json.dumps(document, sort_keys=True).encode()


def write_archive(layers: Sequence[Layer], configuration: bytes, tags: Sequence[str], target: Path) -> None:
    """Writes ``target``, a ``.tar.zst`` that holds one image."""
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    paths = [f"{layer.digest}/layer.tar" for layer in layers]
    manifest = [{"Config": name, "RepoTags": list(tags), "Layers": paths}]
    compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=2, write_checksum=True)
    with (
        replacing(target) as temporary,
        temporary.open("wb") as raw,
        compressor.stream_writer(raw) as stream,
        tarfile.open(fileobj=cast(BinaryIO, stream), mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        _add(tar, name, configuration)
        for path, layer in zip(paths, layers, strict=True):
            with layer.path.open("rb") as file:
                tar.addfile(_member(path, layer.path.stat().st_size), file)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_member(name, len(data)), io.BytesIO(data))


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info
