"""A hub in one file: what makes it this hub and no other, taken while it runs.

Users' files are not in it, nor the packages: the installer brings these, and the locks in the file name them.
"""

import json
import os
import socket
import sqlite3
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hubctl import __version__, wholefile
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
PYTHON = "settings/jupyterhub_config.d"
DROP_INS = "settings/jupyterhub.service.d"


@dataclass(frozen=True)
class Place:
    """Where a member of the file is on the server.

    Attributes:
        mode: of the file.
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


def write(file: Path, layout: Layout) -> Manifest:
    """Makes a backup of a hub, running or not; there is no half one.

    Raises:
        HubError: the file is there already, the settings are not valid, something can't be read, or there is no space.
    """
    if os.path.lexists(file):
        raise HubError(f"{file} is there already", "give another name; a backup is never overwritten")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as name:
            work = Path(name)
            members = _collect(layout, work)
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
            raise no_space("There is no backup", file.parent) from None
        do = "run this as the user that the hub runs as" if isinstance(error, PermissionError) else ""
        raise HubError(f"There is no backup: {error.filename or file}: {error.strerror}", do) from None


def _collect(layout: Layout, work: Path) -> dict[str, Path]:
    """Copies of everything, so that what is hashed is what is packed, by their names in the file."""
    settings = hub_settings.load(layout.settings)
    members: dict[str, Path] = {}

    def new(member: str) -> Path:
        members[member] = work / str(len(members))
        return members[member]

    for member, place in known_places(settings, layout).items():
        if place.path.is_file() and member != DATABASE:
            wholefile.copy(place.path, new(member), 0o600)
    if layout.database.is_file():
        try:
            snapshot(layout.database, new(DATABASE))
        except sqlite3.Error as error:
            if is_full(error):
                raise no_space(f"{layout.database} can't be copied", work.parent) from None
            raise HubError(f"{layout.database} can't be copied: {error}") from None
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
    for path in _secrets(layout):
        found[f"secrets/{path.name}"] = Place(path, 0o600, 0o700)
    for member, folder in ((PYTHON, layout.config_folder), (DROP_INS, drop_ins(layout))):
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            found[f"{member}/{path.name}"] = Place(path, 0o644)
    if _is_edited(hub_config()):
        found["settings/jupyterhub_config.py"] = Place(hub_config(), 0o644)
    return found


def _secrets(layout: Layout) -> list[Path]:
    return [
        layout.cookie_secret,
        layout.proxy_token,
        layout.hubctl_token,
        layout.metrics_token,
        layout.shared_password,
        layout.shared_admin_password,
    ]


def drop_ins(layout: Layout) -> Path:
    """What `systemctl edit` makes, a folder."""
    return layout.unit.with_name(f"{layout.unit.name}.d")


def hub_config() -> Path:
    """The administrator's copy of JupyterHub's configuration file."""
    return places.environment() / "jupyterhub_config.py"


def _is_edited(path: Path) -> bool:
    """Whether it is the administrator's; the shipped one is brought by the release that is there."""
    shipped = places.shipped("config") / path.name
    return path.is_file() and not (shipped.is_file() and shipped.read_bytes() == path.read_bytes())


def _lock(prefix: Path) -> str:
    """The packages of an environment, as `conda create --file` reads them."""
    lines = [_lock_line(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    return "\n".join([f"# {prefix}, by hubctl {__version__}", "@EXPLICIT", *lines, ""])


def _lock_line(record: Path) -> str:
    """A package's address and hash; its name as a comment where they are for somebody else to read."""
    try:
        package = json.loads(record.read_text())
    except PermissionError:
        return f"# {record.stem}"
    return f"{package['url']}#{package['md5']}"


def _pack(packed: Path, manifest: Manifest, members: dict[str, Path]) -> None:
    content = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    (packed.parent / MANIFEST).write_text(content + "\n")
    with os.fdopen(os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for member, path in {MANIFEST: packed.parent / MANIFEST, **members}.items():
                entry = tarfile.TarInfo(member)
                entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o600, int(path.stat().st_mtime)
                with path.open("rb") as file:
                    archive.addfile(entry, file)
        raw.flush()
        os.fsync(raw.fileno())
