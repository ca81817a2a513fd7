"""What an installation takes on a disk: the installer says it, and refuses a disk that has less."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from forge.installer.carried import Carried, Environment

BLOCK = 4096
"""Bytes: what a file takes on disk is rounded up to this, and a folder takes one; so is the header's length rounded."""


def installed_bytes(packages: Sequence[Carried]) -> int:
    """What the installation takes on disk: all of it once in the cache; in each environment what is no link into there.

    Slightly more than it takes: of folders that packages share, each package counts its own.
    """
    return sum(_in_cache(package) + len(package.environments) * _in_environment(package) for package in packages)


def _in_cache(package: Carried) -> int:
    files = [entry.size for entry in package.paths if entry.path_type == "hardlink"]
    record = BLOCK  # info/repodata_record.json
    folders = _folders(entry.path for entry in package.paths) + _folders(package.info)
    return sum(map(_on_disk, (*files, *package.info.values(), record))) + folders


def _in_environment(package: Carried) -> int:
    patched = [entry.size for entry in package.paths if entry.placeholder]
    record = 2 * package.info["paths.json"]  # it names each file twice
    scripts = [BLOCK] * len(package.entry_points)
    return sum(map(_on_disk, (*patched, record, *scripts))) + _folders(entry.path for entry in package.paths)


def _folders(files: Iterable[str]) -> int:
    """What the folders of such files take, a block each."""
    return len({folder for file in files for folder in PurePosixPath(file).parents}) * BLOCK


def copied_bytes(packages: Sequence[Carried], environments: Sequence[Environment]) -> int:
    """What ``-t`` takes on disk for a while: a copy of the largest environment, as it makes one after the other.

    And that copy once more, which a package's test may make: openssl's shows that it works when the tree has moved.
    """
    copied = dict.fromkeys((environment.name for environment in environments), 0)
    for package in packages:
        for name in package.environments:
            copied[name] += _in_cache(package) + _in_environment(package)
    return 2 * max(copied.values())


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
