"""What an installer carries: packages, as they are in the channel, and the environments that hold them."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forge import condapkg
from forge.condapkg import Index, PathEntry, Span
from forge.errors import ForgeError
from forge.target import SUBDIRS


@dataclass(frozen=True)
class Environment:
    """An environment that the installer makes.

    ``base`` is the prefix itself, any other name a folder below its ``envs``. ``specs`` are what conda will remember
    as asked for; ``packages`` are all of the environment's ``.conda`` files.
    """

    name: str
    specs: tuple[str, ...]
    packages: tuple[Path, ...]

    @property
    def subfolder(self) -> str:
        """Its prefix, relative to the installation's; empty for base."""
        return "" if self.name == "base" else f"/envs/{self.name}"


@dataclass(frozen=True)
class Carried:
    """A package that the installer carries, and the environments that hold it."""

    path: Path
    index: Index
    record: Mapping[str, Any]
    paths: tuple[PathEntry, ...]
    entry_points: tuple[str, ...]
    hashes: list[str]
    """As its ``info/paths.json`` has them, one after the other."""
    info: Mapping[str, int]
    """The files below its ``info``, with their sizes in bytes."""
    environments: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its place in the channel."""
        return f"{self.index.subdir}/{self.index.file_name}"

    @cached_property
    def spans(self) -> tuple[Span, Span]:
        """Where its two archives lie within the file."""
        parts = condapkg.parts(self.path)
        return parts.pkg, parts.info

    def has_below(self, folder: str) -> bool:
        """Whether it installs anything below ``folder``."""
        return any(entry.path.startswith(f"{folder}/") for entry in self.paths)

    @property
    def distributions(self) -> list[str]:
        """The Python projects that it installs, by their normalised names (PyPA: binary distribution format)."""
        pattern = re.compile(r"(?:.*/)?site-packages/([^/]+)-[^/-]+\.dist-info/METADATA")
        found = (pattern.fullmatch(entry.path) for entry in self.paths)
        return sorted(re.sub(r"[-_.]+", "-", match[1]).lower() for match in found if match)

    @property
    def has_libraries(self) -> bool:
        """Whether it installs shared libraries into ``lib``."""
        return any(re.fullmatch(r"lib/[^/]+\.so(\.[^/]*)?", entry.path) for entry in self.paths)


def carried(environments: Sequence[Environment]) -> tuple[Carried, ...]:
    """Every package once, largest first: the threads that unpack them then end together."""
    packages: dict[str, Carried] = {}
    for path in sorted({path for environment in environments for path in environment.packages}):
        names = tuple(environment.name for environment in environments if path in environment.packages)
        package = _read(path, names)
        if package.key in packages:
            raise ForgeError(f"{package.key} is named twice: {packages[package.key].path} and {path}.")
        packages[package.key] = package
    return tuple(sorted(packages.values(), key=lambda package: (-package.record["size"], package.key)))


def _read(path: Path, environments: tuple[str, ...]) -> Carried:
    package = condapkg.read(path)
    if path.name != package.index.file_name or package.index.subdir not in SUBDIRS:
        raise ForgeError(f"{path} is not where {package.index.subdir}/{package.index.file_name} belongs.")
    data = path.read_bytes()
    record = json.loads(package.info["index.json"]) | {
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    noarch = json.loads(package.info.get("link.json", b"{}")).get("noarch", {})
    return Carried(
        path=path,
        index=package.index,
        record=record,
        paths=package.paths,
        entry_points=tuple(noarch.get("entry_points", ())),
        hashes=re.findall(r'"sha256": "([0-9a-f]{64})"', package.info["paths.json"].decode()),
        info={name: len(data) for name, data in package.info.items()},
        environments=environments,
    )
