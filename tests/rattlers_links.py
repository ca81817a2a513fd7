"""What an installer has laid down, held against what rattler makes of the same packages in the same place."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from forge import differences
from forge.installer import link


def carried_release(installer: Path) -> link.Release:
    """What an installer file says that it carries."""
    parts = differences.parts(installer)
    index = json.loads(parts["index.json"])
    decompress = zstandard.ZstdDecompressor().decompress
    repodata = {subdir: json.loads(decompress(parts[f"repodata-{subdir}"])) for subdir in index["subdirs"]}
    return link.release(index, repodata)


def laid_down(prefix: Path) -> dict[str, Any]:
    """Everything in a prefix but the package cache, our own state, and what only we write."""
    return {name: what for name, what in _entries(prefix) if not name.endswith(("conda-meta/history", ".condarc"))}


def linked_by_rattler(installer: Path, prefix: Path) -> dict[str, Any]:
    """The same after rattler has linked the environments anew, from the package cache that is in the prefix."""
    for path in prefix.iterdir():
        if path.name not in ("pkgs", ".hubforge"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    cache = prefix / "pkgs"

    async def run() -> None:
        for environment in carried_release(installer).environments:
            records = [package.linkable(cache) for package in environment.packages]
            await link.link(environment, environment.folder(prefix), records, cache=cache)

    asyncio.run(run())
    return laid_down(prefix)


def _entries(prefix: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(prefix.rglob("*")):
        name = path.relative_to(prefix).as_posix()
        if name.partition("/")[0] in ("pkgs", ".hubforge"):
            continue
        if path.is_symlink():
            yield name, f"link {path.readlink()}"
        elif path.is_dir():
            yield name, "folder"
        else:
            status = path.stat()
            # a file of the cache is known by its number, any other one by what it holds
            content = path.read_bytes() if status.st_nlink == 1 else status.st_ino
            yield name, (f"{status.st_mode:o}", content)


def differences_between(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What differs, by the file's name."""
    names = ours.keys() | theirs.keys()
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}
