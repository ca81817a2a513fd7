"""A hub in one file: what makes it this hub and no other, taken while it runs.

Users' files are not in it, nor the packages: the installer brings these, and the locks in the file name them.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import sqlite3
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hubctl import __version__, condarecords, onestep, wholefile
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl.checksum import sha256_of
from hubctl.errors import HubError
from hubctl.fulldisk import is_full, no_space
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.status import versions
from hubctl.upgrading.database import snapshot

FORMAT = 1
"""Of the file: a tar with gzip, whose first member is the manifest."""

MANIFEST = "manifest.json"
DATABASE = "database/jupyterhub.sqlite"
SETTINGS = "settings/hub.yaml"
CONFIG = "settings/jupyterhub_config.py"
LOGROTATE = "settings/logrotate"
TMPFILES = "settings/tmpfiles.conf"

_SHIPPED = {
    CONFIG: "jupyterhub_config.py",
    LOGROTATE: "logrotate-jupyterhub",
    TMPFILES: "tmpfiles-jupyterhub.conf",
}
"""What they are called among the release's defaults, where they have another name."""


@dataclass(frozen=True)
class Place:
    """Where a member of the file is on the server.

    Attributes:
        mode: of the file, at most: nobody gets rights by a backup that the file did not give.
        folder_mode: of its folder, where that has to be made.
    """

    path: Path
    mode: int
    folder_mode: int = 0o755


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        made: ISO 8601, UTC.
        sums: the sha256 of each other member.
    """

    made: str
    host: str
    versions: dict[str, str]
    sums: dict[str, str]

    @property
    def release(self) -> str:
        """That the hub was of."""
        return self.versions.get("hubctl", "unknown")


class DamagedError(HubError):
    """The database is none, or parts of it are not (sqlite.org, Result and Error Codes)."""


def write(file: Path, layout: Layout, *, database: bool = True) -> Manifest:
    """Makes a backup of a hub, running or not; there is no half one.

    Args:
        database: False leaves it out.

    Raises:
        DamagedError: the database can't be copied, because it is damaged.
        HubError: the file is there already, the settings are not valid, something can't be read, or there is no space.
    """
    if os.path.lexists(file):
        raise HubError(f"{file} is there already", "give another name; a backup is never overwritten")
    settings = hub_settings.load(layout.settings)
    try:
        with onestep.alone(layout), _work_folder(file, layout) as work:
            members = _collect(settings, layout, work, database)
            manifest = Manifest(
                datetime.now(UTC).isoformat(timespec="seconds"),
                socket.gethostname(),
                versions(),
                {member: sha256_of(path) for member, path in members.items()},
            )
            packed = work / "packed"
            _pack(packed, manifest, members)
            packed.replace(file)
            return manifest
    except OSError as error:
        if is_full(error):
            full = Path(error.filename) if error.filename else file  # the hub's state may be what has none
            raise no_space("There is no backup", full.parent) from None
        do = "run this as the user that the hub runs as" if isinstance(error, PermissionError) else ""
        raise HubError(f"There is no backup: {error.filename or file}: {error.strerror}", do) from None


@contextlib.contextmanager
def _work_folder(file: Path, layout: Layout) -> Iterator[Path]:
    """A folder beside the new file, which will have copies of all secrets.

    A note in the hub's state says where, so that the next backup removes what a killed one has left, wherever it was.
    """
    note = layout.backup_note
    if note.is_file() and note.lstat().st_uid == os.geteuid():  # nobody else may say what this user's rights do
        shutil.rmtree(note.read_text(encoding="utf-8"), ignore_errors=True)
    work = file.absolute().with_name(f".{file.name}.{secrets.token_hex(4)}")
    wholefile.write(note, str(work), mode=0o600)
    try:
        work.mkdir(mode=0o700)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        note.unlink(missing_ok=True)


def _collect(settings: Settings, layout: Layout, work: Path, database: bool) -> dict[str, Path]:
    """Copies of everything, so that what is hashed is what is packed, by their names in the file."""
    members: dict[str, Path] = {}

    def new(member: str) -> Path:
        members[member] = work / str(len(members))
        return members[member]

    for member, place in known_places(settings, layout).items():
        if place.path.is_file() and member != DATABASE:
            wholefile.copy(place.path, new(member), _mode(place, layout))
    if database and layout.database.is_file():
        try:
            snapshot(layout.database, new(DATABASE))
        except sqlite3.Error as error:
            if is_full(error):
                raise no_space(f"{layout.database} can't be copied", work.parent) from None
            damaged = error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            raise (DamagedError if damaged else HubError)(f"{layout.database} can't be copied: {error}") from None
    for prefix in (places.base_prefix(), places.environment()):
        if (prefix / "conda-meta").is_dir():
            name = "base" if prefix == places.base_prefix() != places.environment() else "jupyterhubenv"
            new(f"locks/{name}.explicit.txt").write_text(_lock(prefix))
    return members


def known_places(settings: Settings, layout: Layout) -> dict[str, Place]:
    """All that is backed up, but for the locks."""
    found = {
        SETTINGS: Place(layout.settings, 0o640),
        "settings/pam": Place(layout.pam_service, 0o644),
        "settings/installed.json": Place(layout.installed, 0o644, 0o700),
        "settings/images.json": Place(layout.state / "images.json", 0o644, 0o700),
        "tls/hub.key": Place(layout.below(settings.tls.key), 0o600, 0o700),
        "tls/hub.crt": Place(layout.below(settings.tls.cert), 0o600, 0o700),
        DATABASE: Place(layout.database, 0o600, 0o700),
    }
    for path in layout.secrets:
        found[f"secrets/{path.name}"] = Place(path, 0o600, 0o700)
    for path in _pictures(settings, layout):
        found[f"settings/{path.relative_to(layout.settings.parent)}"] = Place(path, 0o644)
    for member, folder in folders(layout).items():
        for path in _files(folder):
            found[f"{member}/{path.relative_to(folder)}"] = Place(path, 0o644)
    for member, place in shipped_files(layout).items():
        if _is_edited(place.path, member):
            found[member] = place
    return found


def _pictures(settings: Settings, layout: Layout) -> list[Path]:
    """Those of the spawn page that lie among the hub's settings; others are files of the host."""
    named = (layout.below(image.picture) for image in settings.docker.images if image.picture)
    return [path for path in named if path.is_relative_to(layout.settings.parent)]


def folders(layout: Layout) -> dict[str, Path]:
    """What is backed up with all that is below it, by names in the file: Python, and what `systemctl edit` makes."""
    drop_ins = {f"settings/{unit.name}.d": unit.with_name(f"{unit.name}.d") for unit in _units(layout)}
    return {"settings/jupyterhub_config.d": layout.config_folder, **drop_ins}


def shipped_files(layout: Layout) -> dict[str, Place]:
    """What is backed up when the administrator has edited it; else the release that is there brings it."""
    return {
        CONFIG: Place(places.environment() / "jupyterhub_config.py", 0o644),
        LOGROTATE: Place(layout.logrotate, 0o644),
        TMPFILES: Place(layout.tmpfiles, 0o644),
        **{f"settings/{unit.name}": Place(unit, 0o644) for unit in _units(layout)},
    }


def _units(layout: Layout) -> tuple[Path, ...]:
    return layout.unit, layout.proxy_unit, layout.slice


def _files(folder: Path) -> list[Path]:
    """All below a folder, but for byte code.

    Raises:
        OSError: a folder can't be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    walk = os.walk(folder, onerror=refuse) if folder.is_dir() else ()
    found = (Path(where, name) for where, _, names in walk for name in names)
    return sorted(path for path in found if path.parent.name != "__pycache__")


def _mode(place: Place, layout: Layout) -> int:
    """Of a copy. What a folder keeps others from is not theirs either: that folder is not in the backup."""
    mode = place.path.stat().st_mode & place.mode
    for folder in place.path.parents:
        if folder == layout.root:
            break
        passable = folder.stat().st_mode
        for passage, rights in ((0o010, 0o070), (0o001, 0o007)):
            mode &= ~0 if passable & passage else ~rights
    return mode | 0o600


def _is_edited(path: Path, member: str) -> bool:
    """Whether a file is another one than `hubctl setup` would write, which fills in where the environment is."""
    shipped = places.shipped("config") / _SHIPPED.get(member, Path(member).name)
    environment = str(places.environment()).replace("%", "%%")  # which starts a specifier (systemd.unit(5))
    default = shipped.read_bytes().replace(b"@ENV@", environment.encode()) if shipped.is_file() else None
    return path.is_file() and path.read_bytes() != default


def _lock(prefix: Path) -> str:
    """The packages of an environment, as `conda create --file` reads them."""
    lines = [_lock_line(record) for record in condarecords.of(prefix)]
    return "\n".join([f"# {prefix}, by hubctl {__version__}", "@EXPLICIT", *lines, ""])


def _lock_line(record: Path) -> str:
    """A package's address and hash; its name as a comment where they are for somebody else to read."""
    try:
        package = condarecords.read(record)
    except PermissionError:
        return f"# {record.stem}"
    except HubError as error:  # the hub itself can be backed up, and should be before that is mended
        print(f"hubctl: {error}", file=sys.stderr)
        return f"# {record.stem}, whose record is damaged"
    return f"{package['url']}#{package['md5']}"


def _pack(packed: Path, manifest: Manifest, members: dict[str, Path]) -> None:
    content = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    (packed.parent / MANIFEST).write_text(content + "\n")
    with os.fdopen(os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for member, path in {MANIFEST: packed.parent / MANIFEST, **members}.items():
                entry = tarfile.TarInfo(member)
                found = path.stat()
                entry.size, entry.mode, entry.mtime = found.st_size, found.st_mode & 0o644, int(found.st_mtime)
                with path.open("rb") as file:
                    archive.addfile(entry, file)
        raw.flush()
        os.fsync(raw.fileno())
