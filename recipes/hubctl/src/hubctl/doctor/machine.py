"""Checks of the machine below the hub: space, who may read and write, SELinux's labels."""

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from hubctl import condarecords, images
from hubctl import layout as places
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.units import say_memory

NO_SPACE = 50 * 1024**2
"""Bytes below which the hub's next write to its database may fail."""

LITTLE_SPACE = 2**30
"""Bytes below which a busy day fills the rest."""

_ENFORCE = Path("/sys/fs/selinux/enforce")
"""Is there where SELinux is on (selinux(8)); holds 1 where it does more than write a log."""

_SHOWN = 5


def disk(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether there is room for the database, the log, and what Docker keeps."""
    told = set()
    for path in [layout.state, layout.log.parent, layout.runtime, *_docker_root(settings)]:
        if path.exists() and (device := path.stat().st_dev) not in told:
            told.add(device)
            yield _space(path)


def _docker_root(settings: Settings) -> list[Path]:
    if settings.spawner != "docker":
        return []
    try:
        with images.engine() as client:
            return [Path(client.info()["DockerRootDir"])]
    except HubError:
        return []  # another check tells that Docker does not answer


def _space(path: Path) -> Finding:
    space = os.statvfs(path)
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    found, mend = f"{path} has {say_memory(free)} free", f"free some: `df {path}`, `df -i {path}`"
    if space.f_files and not space.f_favail:
        return fault(f"{path} has room for no more files", mend)
    # what lives in memory is small, and is meant to be
    if free < min(NO_SPACE, total // 10):
        return fault(found, mend)
    return warning(found, mend) if free < min(LITTLE_SPACE, total // 10) else ok(found)


def permissions(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether others can read a secret, or change what the hub runs."""
    # rattler links commands with 0775, whatever the umask is
    secrets = [layout.state, layout.database, *layout.secrets]
    wrong = [*_open(secrets, 0o077), *_open(_programs(layout), 0o022), *_open(_commands(), 0o002)]
    yield from wrong
    if not wrong:
        yield ok("nobody else can read the hub's secrets, or change its settings and programs")


def _programs(layout: Layout) -> list[Path]:
    """What the hub executes, and the folders in which it could be replaced."""
    folder = layout.config_folder
    ours = [layout.settings.parent, layout.settings, folder, *sorted(folder.glob("*.py")), layout.runtime]
    units = [layout.unit, layout.proxy_unit]
    drop_ins = [path for unit in units for path in sorted(unit.parent.glob(f"{unit.name}.d/**"))]
    return [*ours, *_prefix(), places.hub_config(), layout.pam_service, layout.logrotate, *units, *drop_ins]


def _prefix() -> list[Path]:
    """The folders that root's programs and their modules come from; the hub's environment lies in base's `envs`."""
    base, own = places.base_prefix(), places.environment()
    modules = own / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    above = [] if own == base else [base, base / "bin", own.parent]
    return [*above, own, own / "bin", own / "lib", modules, modules / "site-packages"]


def _commands() -> list[Path]:
    names = ("python", "jupyterhub", "hubctl", "configurable-http-proxy", "node")
    return [places.environment() / "bin" / name for name in names]


def _open(paths: list[Path], forbidden: int) -> Iterator[Finding]:
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue  # not there, or below a folder that is not ours: told of that folder
        mode = stat.S_IMODE(found.st_mode)
        # the database's folder keeps others out; SQLite gives it the mode that the umask leaves
        if mode & forbidden and not (path.suffix == ".sqlite" and not path.parent.stat().st_mode & forbidden):
            verb = "read" if forbidden & 0o044 else "changed"
            mend = f"chmod {'go-rwx' if forbidden & 0o044 else 'go-w'} {path.resolve()}"
            yield fault(f"{path} can be {verb} by others than its owner (mode {mode:04o})", mend)
        if found.st_uid not in (0, os.geteuid()):
            yield fault(f"{path} belongs to another user (uid {found.st_uid})", f"chown root {path.resolve()}")


def selinux(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether files have the labels that the policy gives their places; with others, services may not use them."""
    if not _ENFORCE.exists():
        return
    restorecon = shutil.which("restorecon", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if restorecon is None:
        yield warning("SELinux is on, and `restorecon` is missing", "install policycoreutils, then run this again")
        return
    mode = "enforcing" if _ENFORCE.read_text().strip() == "1" else "permissive"
    ours = [layout.settings.parent, layout.state, layout.log.parent, layout.shared, layout.unit, places.environment()]
    there = [str(path) for path in ours if path.exists()]
    done = subprocess.run([restorecon, "-nRv", *there], capture_output=True, text=True)
    wrong = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("Would relabel ")]
    if not wrong:
        yield ok(f"SELinux is {mode}, and labels are as its policy has them")
        return
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    found = f"SELinux is {mode}; other labels than its policy's: {', '.join(wrong[:_SHOWN])}{more}"
    mend = f"restorecon -R {' '.join(there)}"
    yield fault(found, mend) if mode == "enforcing" else warning(found, mend)


def glibc(_settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether the host's C library has what the packages were made for: a prefix may have come from a newer host."""
    has = platform.libc_ver()[1] or "0"
    wanted: dict[str, str] = {}
    for record in condarecords.of(places.environment()):
        try:
            for floor in _floors(record):
                wanted[record.stem] = floor
        except HubError as error:
            yield fault(error.what, error.do)
    lacking = sorted(name for name, floor in wanted.items() if Version(floor) > Version(has))
    highest = max(wanted.values(), key=Version, default="none")
    if not lacking:
        yield ok(f"glibc is {has}, and the packages need {highest} or less")
        return
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    yield fault(
        f"glibc is {has}, and {highest} is needed by {', '.join(lacking[:_SHOWN])}{more}",
        "`hubctl rollback` goes back where an upgrade has brought them; else this needs a newer system",
    )


def _floors(record: Path) -> Iterator[str]:
    """The glibc that a package asks for, if any. forge writes ``__glibc >=2.28`` into all with compiled files;
    conda-forge's packages may have an upper bound as well: ``__glibc >=2.28,<3.0.a0``.

    Raises:
        HubError: the record is damaged.
    """
    try:
        depends = condarecords.read(record).get("depends", [])
    except PermissionError:  # somebody else's environment; what can't be loaded shows at the start
        return
    for name, *version in (line.split() for line in depends):
        if name == "__glibc" and version:
            yield from (bound[2:] for bound in version[0].split(",") if bound.startswith(">="))
