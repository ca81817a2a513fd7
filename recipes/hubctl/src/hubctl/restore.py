"""A backup put back: checked as a whole before the first file changes, what is there now backed up before."""

import contextlib
import gzip
import json
import re
import secrets
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.version import Version
from pydantic import TypeAdapter

from hubctl import backup, checksum, daemon, onestep, systemd, wholefile, workfolder
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl.backup import DATABASE, FORMAT, MANIFEST, SETTINGS, Manifest, Place
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.status import versions
from hubctl.upgrading.database import journals
from hubctl.upgrading.disk import names_to_disk

_FILE_NAME = re.compile(r"[^/\0]*[^/.\0][^/\0]*")
_LARGEST_MANIFEST = 2**24


@dataclass(frozen=True)
class Restored:
    """What a restoration did.

    Attributes:
        before: the backup of what was there; None where nothing was.
        damaged: the database that was there, which is not in that backup, since it is damaged; None where it is whole.
        removed: Python files that the backup does not have.
    """

    manifest: Manifest
    before: Path | None
    damaged: Path | None
    removed: list[Path]


def examine(file: Path, layout: Layout) -> Manifest:
    """What a backup says of itself, once it is sure that it could be put back.

    Raises:
        HubError: as ``restore`` does before it changes anything.
    """
    with _unpacked(file, layout) as (manifest, _):
        return manifest


def restore(file: Path, layout: Layout) -> Restored:
    """Puts back what a backup holds. What is there now is backed up before.

    Raises:
        HubError: the hub runs, the file is damaged or of a newer JupyterHub, or a link is in the way: nothing was
            changed. Or there is no space.
    """
    with _unpacked(file, layout) as (manifest, targets):
        before, damaged = _before(layout)
        removed = _replace(targets, layout)
    if any(place.path.is_relative_to(layout.unit.parent) for place in targets.values()):
        systemd.reread(layout)
    return Restored(manifest, before, damaged, removed)


@contextlib.contextmanager
def _unpacked(file: Path, layout: Layout) -> Iterator[tuple[Manifest, dict[Path, Place]]]:
    """A backup that may be put back, and where each of its files belongs; no hub is started meanwhile."""
    _refuse_links(layout.database, layout)
    layout.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workfolder.made(layout, "restore", "Not restored") as work:
        if daemon.running(layout) or (systemd.runs_the_hub(layout) and systemd.main_process()):
            raise HubError("The hub runs", "`hubctl stop` ends it; then restore again")
        manifest, members = read(file, work)
        _check_release(manifest)
        yield manifest, _targets(members, layout)


def read(file: Path, work: Path) -> tuple[Manifest, dict[str, Path]]:
    """Unpacks a backup into ``work`` and checks every byte of it.

    Raises:
        HubError: it is damaged, or no backup.
    """
    try:
        with gzip.open(file) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
            members = iter(archive)
            manifest = _manifest(archive, next(members, None), file)
            found = {entry.name: _unpack(archive, entry, work, file) for entry in members}
            while plain.read(2**20):  # up to gzip's own check sum, which stands at the end
                pass
    except FileNotFoundError:
        raise HubError(f"{file} is not there") from None
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HubError(f"{file} is damaged, or no backup: {error}", "take another copy of it") from None
    for member, path in found.items():
        if manifest.sums.get(member) != checksum.sha256_of(path):
            raise HubError(f"{file} is damaged: {member} is not what was backed up", "take another copy of it")
    if missing := sorted(manifest.sums.keys() - found.keys()):
        raise HubError(f"{file} is damaged: {missing[0]} is missing", "take another copy of it")
    return manifest, found


def _manifest(archive: tarfile.TarFile, entry: tarfile.TarInfo | None, file: Path) -> Manifest:
    content = archive.extractfile(entry) if entry and entry.isreg() and entry.name == MANIFEST else None
    try:
        values: dict[str, Any] = json.loads(content.read(_LARGEST_MANIFEST)) if content else {}
        if values.pop("format", None) != FORMAT:
            raise HubError(f"{file} is no backup of this program", f"`hubctl backup` writes them (format {FORMAT})")
        return TypeAdapter(Manifest).validate_python(values)
    except ValueError:
        raise HubError(f"{file} is damaged: {MANIFEST} can't be understood", "take another copy of it") from None


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, work: Path, file: Path) -> Path:
    """A member's content, with its mode, under a name that the archive has no say in."""
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None:
        raise HubError(f"{file} is no backup of this program: {entry.name!r} is no file")
    path = work / secrets.token_hex(8)
    wholefile.write_new(content, path, entry.mode & 0o644 | 0o600)
    return path


def _targets(members: dict[str, Path], layout: Layout) -> dict[Path, Place]:
    """Where each unpacked file belongs, once it is sure that all may be put there."""
    if SETTINGS not in members:
        raise HubError("The backup has no settings", "it is no backup of this program")
    settings = hub_settings.load(members[SETTINGS])
    if DATABASE in members:
        _check_database(members[DATABASE])
    targets = {path: place for member, path in members.items() if (place := _place(member, settings, layout))}
    for place in targets.values():
        _refuse_links(place.path, layout)
    _refuse_strangers(settings, layout)
    return targets


def _refuse_strangers(settings: Settings, layout: Layout) -> None:
    """The settings of a backup may name any place for key and certificate: another program's files stay."""
    now = hub_settings.load(layout.settings) if layout.settings.exists() else Settings()
    ours = {now.tls.key, now.tls.cert, Settings().tls.key, Settings().tls.cert}
    for path in (settings.tls.key, settings.tls.cert):
        if path not in ours and layout.below(path).exists():
            raise HubError(f"{layout.below(path)} is there, and is no file of this hub", "move it away, then try again")


def _check_release(manifest: Manifest) -> None:
    """Refuses a backup whose database this release's JupyterHub would not understand.

    Raises:
        HubError: it is of a newer one.
    """
    theirs, ours = (known.get("jupyterhub", "0") for known in (manifest.versions, versions()))
    if Version(theirs) > Version(ours):
        raise HubError(
            f"The backup is of release {manifest.release}, with JupyterHub {theirs}; this one has {ours}",
            f"bring this server to release {manifest.release} first",
        )


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        raise HubError(f"The backup's database is damaged: {answer}", "take another backup")


def _refuse_links(path: Path, layout: Layout) -> None:
    """Nothing is written where somebody's link leads: not the file itself, and no folder above it on this server."""
    top = places.environment() if path.is_relative_to(places.environment()) else layout.root
    for step in (path, *path.parents):
        if step == top:
            return
        if step.is_symlink():
            raise HubError(f"{step} is a link to {step.readlink()}", "move it away, then restore again")


def _before(layout: Layout) -> tuple[Path | None, Path | None]:
    """A backup of what is there, and its database beside that where it is damaged; none where no hub has ever run."""
    if not layout.database.exists():
        return None, None
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    file = layout.state / f"before-restore-{date}.tar.gz"
    try:
        backup.write(file, layout)
    except backup.DamagedError:
        damaged = _as_it_is(layout.database, layout.state / f"before-restore-{date}.sqlite")
        backup.write(file, layout, database=False)
        return file, damaged
    return file, None


def _as_it_is(database: Path, copy: Path) -> Path:
    """Copies a database byte by byte, and what SQLite has left beside it: somebody may find something in it still."""
    for path, target in zip([database, *journals(database)], [copy, *journals(copy)], strict=True):
        if path.exists():
            wholefile.copy(path, target, 0o600)
    return copy


def _replace(targets: dict[Path, Place], layout: Layout) -> list[Path]:
    """Changes all of it in one step; gives the Python files that were put aside."""
    for place in targets.values():
        _make_folder(place)
    new = {place.path: onestep.New(source, source.stat().st_mode & place.mode) for source, place in targets.items()}
    # the hub would go on executing them; they are in the backup of what was there
    others = [path for path in sorted(layout.config_folder.glob("*.py")) if path not in new]
    aside = {path: path.with_name(f"{path.name}.before-restore") for path in others}
    onestep.change(layout, new, aside, gone=journals(layout.database))
    return others


def _make_folder(place: Place) -> None:
    folder = place.path.parent
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=place.folder_mode, parents=True)
    for path in new:
        names_to_disk(path.parent)


def _place(member: str, settings: Settings, layout: Layout) -> Place | None:
    """Where a member belongs on this server; None for what is only there to be read.

    Raises:
        HubError: nowhere.
    """
    if member.startswith("locks/"):
        return None
    if place := backup.known_places(settings, layout).get(member):
        return place
    if place := backup.shipped_files(layout).get(member):
        return place
    for known, folder in backup.folders(layout).items():
        names = member.removeprefix(f"{known}/").split("/") if member.startswith(f"{known}/") else []
        if names and all(_FILE_NAME.fullmatch(name) for name in names):
            return Place(folder.joinpath(*names), 0o644)
    raise HubError(f"The backup holds {member!r}, which belongs nowhere", "it is no backup of this program")
