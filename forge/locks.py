"""Exact environments, written down twice: as conda-lock's file and as an ``@EXPLICIT`` list.

Both name packages relative to the variable ``CHANNEL_ROOT``, the address or folder of the channel, so that a lock
made on the build machine holds at every site.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import rattler

from forge.environments import SUBDIR
from forge.files import replacing, write_text
from forge.paths import LOCKFILES

# conda-lock carries poetry, which puts older copies of common libraries in front of everybody's: for its import only.
with mock.patch.object(sys, "path", list(sys.path)):
    from conda_lock.lockfile import write_conda_lock_file
    from conda_lock.lockfile.v1.models import HashModel, LockMeta
    from conda_lock.lockfile.v2prelim.models import LockedDependency, Lockfile
    from conda_lock.models.channel import Channel

CHANNEL_ROOT = "file://$CHANNEL_ROOT"


def write(name: str, specs: Sequence[str], records: Sequence[rattler.RepoDataRecord]) -> bool:
    """Writes ``lockfiles/NAME.conda-lock.yml`` and ``NAME.explicit.txt``; says whether either changed."""
    explicit = [f"$CHANNEL_ROOT/{record.subdir}/{record.file_name}#{_hex(record.md5)}" for record in records]
    header = f"# {name}: conda create --file this file, with CHANNEL_ROOT set to the folder of the channel\n@EXPLICIT\n"
    changed = write_text(explicit_path(name), header + "".join(f"{line}\n" for line in explicit))
    return _write_conda_lock(_lockfile(specs, records), conda_lock_path(name)) or changed


def conda_lock_path(name: str) -> Path:
    """The environment's lock in conda-lock's format."""
    return LOCKFILES / f"{name}.conda-lock.yml"


def explicit_path(name: str) -> Path:
    """The environment's lock as conda's ``@EXPLICIT`` list."""
    return LOCKFILES / f"{name}.explicit.txt"


def read(name: str) -> dict[str, str]:
    """Package name to ``version build`` of the written lock; empty where there is none."""
    path = explicit_path(name)
    if not path.exists():
        return {}
    listed = path.read_text().partition("@EXPLICIT\n")[2].splitlines()
    stems = [line.partition("#")[0].rpartition("/")[2].removesuffix(".conda") for line in listed]
    return {package: f"{version} {build}" for package, version, build in (stem.rsplit("-", 2) for stem in stems)}


def _lockfile(specs: Sequence[str], records: Sequence[rattler.RepoDataRecord]) -> Lockfile:
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
        content_hash={SUBDIR: hashlib.sha256("\n".join(specs).encode()).hexdigest()},
        channels=[Channel(url=CHANNEL_ROOT, used_env_vars=("CHANNEL_ROOT",))],
        platforms=[SUBDIR],
        sources=["../construct.yaml"],
    )
    return Lockfile(package=packages, metadata=meta)


def _write_conda_lock(lockfile: Lockfile, path: Path) -> bool:
    before = path.read_bytes() if path.exists() else b""
    with replacing(path) as temporary:
        write_conda_lock_file(lockfile, temporary, metadata_choices=None, include_help_text=False)
    return path.read_bytes() != before


def _name_and_rest(spec: str) -> tuple[str, str]:
    name, _, rest = spec.partition(" ")
    return name, rest


def _hex(digest: bytes | None) -> str:
    assert digest is not None, "the channel's index holds every hash"
    return digest.hex()
