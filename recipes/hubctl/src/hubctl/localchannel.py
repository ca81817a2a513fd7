"""The server's own channel: what is added to it, and how. Nothing that is in it is ever rewritten or taken out."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hubctl import checksum, condapackages, installerfile
from hubctl import layout as places
from hubctl.condapackages import SUBDIRS, SUFFIXES, Package
from hubctl.errors import HubError
from hubctl.folderlock import locked
from hubctl.fulldisk import is_full, no_space, says_full

INDEXER = Path(__file__).with_name("index_channel.py")
"""A program for base's Python: it needs py-rattler."""

STAGING = ".adding-"
"""Begins the name of the folder in which an addition unpacks what it was given."""

TAR = (".tar", ".tar.gz", ".tgz", ".tar.xz")


@dataclass(frozen=True)
class Added:
    """What has become of what was given: places in the channel.

    Attributes:
        new: packages (``noarch/NAME``) that are new there.
        known: packages that were there.
        locks: locks (``locks/VERSION/NAME``) that are new there.
    """

    new: list[str]
    known: list[str]
    locks: list[str]


def add(source: Path, channel: Path) -> Added:
    """Adds what ``source`` holds to a channel's folder, and makes its index anew.

    Args:
        source: an installer, a tar file of a channel or of packages, a folder of either, or one package.
        channel: made when it is missing.

    Raises:
        HubError: something is damaged, is none of these, or has the name of another package in the channel; then
            nothing was added.
    """
    places.base_program("python")  # else packages would be there without an index
    try:
        channel.mkdir(parents=True, exist_ok=True)
        with _alone(channel), tempfile.TemporaryDirectory(prefix=STAGING, dir=channel) as staging:
            packages = _packages(source, Path(staging))
            if not packages:
                raise HubError(f"{source} holds no packages ({', '.join(SUFFIXES)})")
            carried = source if source.is_dir() else Path(staging)
            added = _merge(packages, condapackages.locks_of(carried), channel)
    except OSError as error:
        if is_full(error):
            raise no_space(f"{source} was not added", channel) from None
        do = "run this as root" if isinstance(error, PermissionError) else ""
        raise HubError(f"{channel} can't be written: {error.strerror or error}", do) from None
    return added


def index(channel: Path) -> None:
    """Makes the index of a channel's folder anew, with base's Python.

    Raises:
        HubError: it can't be made.
    """
    base = places.base_prefix()
    command = [str(places.base_program("python")), "-I", "-B", str(INDEXER), str(channel)]
    # py-rattler does not start without certificates, though nothing is fetched; the host may have none.
    surroundings = os.environ | {"SSL_CERT_FILE": str(base / "ssl" / "cacert.pem")}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    if done.returncode and says_full(done.stderr):
        raise no_space(f"The index of {channel} was not made", channel)
    if done.returncode:
        raise HubError(f"The index of {channel} can't be made: {done.stderr.strip()[-1000:]}")


# ---- what is given ----


def _packages(source: Path, staging: Path) -> list[Package]:
    """The packages of what was given, checked; unpacked below ``staging`` where they have to be."""
    if source.is_dir():
        return _of_folder(source)
    if source.name.endswith(SUFFIXES):
        return [condapackages.single(source)]
    checksum.check(source)
    if source.name.endswith(TAR):
        _unpack_tar(source, staging)
    elif _is_script(source):
        _unpack_installer(source, staging)
    else:
        raise HubError(
            f"{source} is nothing that can be added",
            "give an installer (.sh), a channel as a folder or a .tar, or packages (.conda, .tar.bz2)",
        )
    return _of_folder(staging)


def _of_folder(folder: Path) -> list[Package]:
    if condapackages.has_index(folder):
        return condapackages.of_channel(folder)
    folders = [folder, *(folder / subdir for subdir in SUBDIRS)]
    return [condapackages.single(path) for each in folders for path in condapackages.files_in(each)]


def _is_script(file: Path) -> bool:
    with checksum.opened(file) as content:
        return content.read(2) == b"#!"


def _unpack_installer(installer: Path, folder: Path) -> None:
    """What is no installer is not run; the installer checks itself, every package included, before it writes."""
    installerfile.check(installer)
    command = ["sh", str(installer.absolute()), "--extract-channel", str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise HubError(f"{installer} gives no channel: {(done.stderr or done.stdout).strip()[-1000:]}")


def _unpack_tar(file: Path, folder: Path) -> None:
    """Packages, indices and locks alone, each to its place by its own name: no path in the file decides more."""
    try:
        with tarfile.open(file, "r|*") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                place = PurePosixPath(*path.parts[-3:])
                is_lock = condapackages.is_lock(place)
                is_package = path.name.endswith(SUFFIXES) or path.name in ("repodata.json", "repodata.json.zst")
                wanted = is_package or is_lock
                content = archive.extractfile(member) if wanted and member.isreg() else None
                if content is None:
                    continue
                target = folder / path.parent.name if path.parent.name in SUBDIRS else folder
                target = folder / place.parent if is_lock else target
                target.mkdir(parents=True, exist_ok=True)
                with (target / path.name).open("xb") as unpacked:
                    shutil.copyfileobj(content, unpacked)
    except FileExistsError as error:
        raise HubError(f"{file} holds {Path(error.filename).name} twice", "give one channel at a time") from None
    except (tarfile.TarError, EOFError) as error:
        raise HubError(f"{file} is damaged: {error}", "copy it to this server again") from None


# ---- the channel ----


@contextmanager
def _alone(channel: Path) -> Iterator[None]:
    """One addition at a time: what is there of another one was left by a kill."""
    with locked(channel):
        for left in channel.glob(f"{STAGING}*"):
            shutil.rmtree(left)
        for left in channel.rglob(".*.partial"):
            left.unlink()
        yield


def _merge(packages: list[Package], locks: list[Package], channel: Path) -> Added:
    new, known = _sorted(packages, channel)
    new_locks, _ = _sorted(locks, channel)
    for package in new:
        _place(package, channel / package.place)
    index(channel)
    for lock in new_locks:  # last: what a lock names is there before it
        _place(lock, channel / lock.place)
    return Added(*([entry.place for entry in part] for part in (new, known, new_locks)))


def _sorted(given: list[Package], channel: Path) -> tuple[list[Package], list[Package]]:
    """Those that the channel lacks, and those that it has.

    Raises:
        HubError: it has other bytes under one of the names.
    """
    new, known = [], []
    for package in given:
        there = channel / package.place
        if not there.exists():
            new.append(package)
        elif checksum.sha256_of(there) == package.sha256:
            known.append(package)
        else:
            raise HubError(
                f"{package.place} is in {channel} with other bytes, and nothing in it is rewritten",
                "get a build of another number; or remove the file there, if it is damaged, and add this one again",
            )
    return new, known


def _place(package: Package, target: Path) -> None:
    """Whole or not there; the copy is what was checked, or it is refused."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.partial")
    try:
        shutil.copyfile(package.file, temporary)
        if checksum.sha256_of(temporary) != package.sha256:
            raise HubError(f"{package.file} has changed while it was read", "add it again")
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
