"""Exact environments, written down twice: as conda-lock's file and as an ``@EXPLICIT`` list.

Both name packages relative to the variable ``CHANNEL_ROOT``, the address or folder of the channel, so that a lock
made on the build machine holds at every site.
"""

import hashlib
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import rattler

from forge.files import replacing, tree_digest, write_text
from forge.paths import LOCKFILES, cache_dir
from forge.target import SUBDIR

CHANNEL_ROOT = "file://$CHANNEL_ROOT"

PUBLISHED = "locks"
"""The folder of a published channel in which each release has its locks, below its version."""


def write(name: str, specs: Sequence[str], records: Sequence[rattler.RepoDataRecord]) -> None:
    """Writes ``lockfiles/NAME.conda-lock.yml`` and ``NAME.explicit.txt``."""
    explicit = [f"$CHANNEL_ROOT/{record.subdir}/{record.file_name}#{_hex(record.md5)}" for record in records]
    header = f"# {name}: conda create --file this file, with CHANNEL_ROOT set to the folder of the channel\n@EXPLICIT\n"
    write_text(explicit_path(name), header + "".join(f"{line}\n" for line in explicit))
    write_text(conda_lock_path(name), _conda_lock(specs, records))


def conda_lock_path(name: str) -> Path:
    """The environment's lock in conda-lock's format."""
    return LOCKFILES / f"{name}.conda-lock.yml"


def explicit_path(name: str) -> Path:
    """The environment's lock as conda's ``@EXPLICIT`` list."""
    return LOCKFILES / f"{name}.explicit.txt"


def read(name: str) -> dict[str, str]:
    """Package name to ``version build`` of the written lock; empty where there is none."""
    path = explicit_path(name)
    return parse(path.read_text()) if path.exists() else {}


def parse(explicit: str) -> dict[str, str]:
    """Package name to ``version build`` of an ``@EXPLICIT`` list."""
    listed = explicit.partition("@EXPLICIT\n")[2].splitlines()
    stems = [line.partition("#")[0].rpartition("/")[2].removesuffix(".conda") for line in listed]
    return {package: f"{version} {build}" for package, version, build in (stem.rsplit("-", 2) for stem in stems)}


def _conda_lock(specs: Sequence[str], records: Sequence[rattler.RepoDataRecord]) -> str:
    """The text of conda-lock's file, out of the cache where it was written before: conda-lock takes a second."""
    decides = [importlib.metadata.version("conda-lock"), *specs, *(f"{r.file_name} {_hex(r.sha256)}" for r in records)]
    key = hashlib.sha256("\n".join([tree_digest(Path(__file__)), *decides]).encode()).hexdigest()
    path = cache_dir("build") / "locks" / f"{key}.yml"
    if not path.exists():
        with replacing(path) as temporary:
            _write_conda_lock(specs, records, temporary)
    return path.read_text()


def _write_conda_lock(specs: Sequence[str], records: Sequence[rattler.RepoDataRecord], path: Path) -> None:
    # conda-lock carries poetry, which puts older copies of common libraries in front of everybody's.
    with mock.patch.object(sys, "path", list(sys.path)):
        from conda_lock.lockfile import write_conda_lock_file
        from conda_lock.lockfile.v1.models import HashModel, LockMeta
        from conda_lock.lockfile.v2prelim.models import LockedDependency, Lockfile
        from conda_lock.models.channel import Channel

    packages = [
        LockedDependency(
            name=record.name.normalized,
            version=str(record.version),
            build=str(record.build),
            manager="conda",
            platform=SUBDIR,
            dependencies=dict(_name_and_rest(spec) for spec in record.depends),
            url=f"{CHANNEL_ROOT}/{record.subdir}/{record.file_name}",
            hash=HashModel(md5=_hex(record.md5), sha256=_hex(record.sha256)),
            categories={"main"},
        )
        for record in records
    ]
    meta = LockMeta(
        # Over what was asked for, as in conda-lock, but not its own number: that is over channels and environment
        # files as conda-lock reads them, and it is this module that solves here.
        content_hash={SUBDIR: hashlib.sha256("\n".join(specs).encode()).hexdigest()},
        channels=[Channel(url=CHANNEL_ROOT, used_env_vars=("CHANNEL_ROOT",))],
        platforms=[SUBDIR],
        sources=["../construct.yaml"],
    )
    lockfile = Lockfile(package=packages, metadata=meta)
    write_conda_lock_file(lockfile, path, metadata_choices=None, include_help_text=False)


def _name_and_rest(spec: str) -> tuple[str, str]:
    name, _, rest = spec.partition(" ")
    return name, rest


def _hex(digest: bytes | None) -> str:
    assert digest is not None, "the channel's index holds every hash"
    return digest.hex()
