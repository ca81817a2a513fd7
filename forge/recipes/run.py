"""One build: a clean place, a process of its own, and whole packages in the cache or none."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forge import condapkg
from forge.disk import DiskFullError, has_room, is_full, told_by
from forge.errors import ForgeError
from forge.files import place as put
from forge.paths import BUILDS, cache_dir
from forge.progress import say
from forge.recipes import worker, zig
from forge.recipes.recipe import Recipe
from forge.target import SUBDIRS

CPU_COUNT = 2
"""How many processes a build's make may use."""

LOOK_AGAIN = 0.2
"""Seconds between two looks at a place that is locked."""

LOG_LINES = 25
"""How much of a failed build's log is shown."""

_TESTING = "Collecting tests from"

PLACES = f"{BUILDS}/hubforge-build-{{name}}"
"""Where a recipe is built: at one path for everybody. Some builds write it down, others sort by it."""


def workshop() -> Path:
    """The logs of the builds, and what compilers keep from one build to the next."""
    path = cache_dir("build") / "recipes"
    path.mkdir(exist_ok=True)
    return path


@dataclass(frozen=True)
class Place:
    """Where one recipe is built. Everything but the log is gone after a build that succeeded, or that found no room.

    Attributes:
        root: a folder of this user alone.
        lock: ``root``, open and locked. Every process of the build inherits it, so that the place stays locked until
            the last of them is gone, even if forge itself is killed.
        log: what the build printed.
    """

    root: Path
    lock: int
    log: Path

    @property
    def sources(self) -> Path:
        """``HUBFORGE_SOURCES``: the upstream file and the patches."""
        return self.root / "sources"

    @property
    def channel(self) -> Path:
        """The packages that may be installed."""
        return self.root / "channel"

    @property
    def output(self) -> Path:
        """Where py-rattler-build works, and leaves the packages."""
        return self.root / "output"

    @property
    def home(self) -> Path:
        """``HOME`` of the build scripts."""
        return self.root / "home"


@dataclass(frozen=True)
class Job:
    """What to build.

    Attributes:
        channel: the packages that may be installed into its environments.
        version: ``HUBFORGE_VERSION``.
        digest: ``HUBFORGE_DIGEST``, for the build string: it stands for all that decides the bytes, so that no two
            packages of one file name differ and a channel never has to replace a file.
        epoch: ``HUBFORGE_EPOCH``, and the date in the packages, in seconds since 1970.
    """

    recipe: Recipe
    channel: list[Path]
    version: str
    digest: str
    epoch: int

    def environment(self, place: Place) -> dict[str, str]:
        """All that a build script sees of this machine's environment."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(place.home),
            "XDG_CACHE_HOME": str(place.home / "cache"),
            "TMPDIR": str(place.home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "CPU_COUNT": str(CPU_COUNT),
            "HUBFORGE_SOURCES": str(place.sources),
            "HUBFORGE_VERSION": self.version,
            "HUBFORGE_DIGEST": self.digest,
            # py-rattler-build sets SOURCE_DATE_EPOCH to the time of the build: the compiler's package sets it to this.
            "HUBFORGE_EPOCH": str(self.epoch),
            "PYTHONHASHSEED": "0",
            "ZIG": str(zig.binary()),
            # The runtime library that zig compiles for itself takes it longer than most recipes take.
            "ZIG_GLOBAL_CACHE_DIR": str(workshop() / ".zig"),
            "RATTLER_CACHE_DIR": str(workshop() / ".rattler"),
        }


class Runner:
    """Runs builds from several threads, and ends all of them at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Ends the builds that are running, their compilers included, and lets no other one begin."""
        self._stopped = True
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def workplace(self, name: str) -> Iterator[Place]:
        """A clean place for the recipe ``name``; another forge that builds it on this machine is waited for."""
        root = Path(PLACES.format(name=name))
        lock = self._locked(root, name)
        try:
            _empty(root)
            place = Place(root, lock, workshop() / f"{name}.log")
            for folder in (place.sources, place.channel, place.output, place.home):
                folder.mkdir()
            try:
                yield place
            except DiskFullError:
                shutil.rmtree(root, ignore_errors=True)
                raise
            shutil.rmtree(root, ignore_errors=True)
        finally:
            os.close(lock)

    def _locked(self, root: Path, name: str) -> int:
        """Makes ``root`` where it is missing, and locks it; ctrl-C ends the wait."""
        waits = False
        while not self._stopped:
            lock = _open(root, name)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if root.exists() and os.path.samestat(os.fstat(lock), root.stat()):
                    return lock  # else the build that was waited for has removed it
            except BlockingIOError:
                if not waits:
                    say(f"{name}: another forge is building it; waiting")
                waits = True
                time.sleep(LOOK_AGAIN)
            os.close(lock)
        raise ForgeError(f"The recipe {name} was not built: the build was stopped")

    def run(self, job: Job, place: Place, target: Path) -> None:
        """Builds and tests ``job``, and puts its packages, normalised, into the folder ``target``.

        Raises:
            ForgeError: the build or a test failed, or there is no room.
        """
        try:
            _lay_out_channel(job.channel, place.channel)
            self._work(job, place)
            _keep(place.output, target, job.epoch)
        except (OSError, DiskFullError) as error:
            if not is_full(error):
                raise
            raise DiskFullError(f"The recipe {job.recipe.name}") from error

    def _work(self, job: Job, place: Place) -> None:
        arguments = [str(path) for path in (job.recipe.folder, job.recipe.variants, place.channel, place.output)]
        with place.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", worker.__file__, *arguments],
                env=job.environment(place),
                cwd=place.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(place.lock,),
            )
            self._running.add(process)
            try:
                if self._stopped:
                    self.stop()
                code = process.wait()
            finally:
                self._running.discard(process)
        if code != 0:
            raise _failure(job.recipe.name, place, code)


def _open(root: Path, name: str) -> int:
    """Opens the folder of a build, made where it is missing; nobody else's, and one where programs can be run."""
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ForgeError(
            f"The recipe {name} is built in {root}, which belongs to {_user(status.st_uid)}",
            "Wait until their build has ended, or have it removed.",
        )
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise ForgeError(
            f"The recipe {name} is built in {root.parent}, where no program may be run (mounted noexec)",
            f"For the time of the build: mount -o remount,exec {root.parent}",
        )
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _lay_out_channel(packages: list[Path], channel: Path) -> None:
    """Puts packages where a channel has them; the worker indexes it."""
    for package in packages:
        subdir = condapkg.read(package).index.subdir
        put(package, channel / subdir / package.name)
    for subdir in SUBDIRS:
        (channel / subdir).mkdir(exist_ok=True)


def _keep(output: Path, target: Path, epoch: int) -> None:
    """Normalises what was built into ``target``, which appears when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        folder = Path(temporary) / "packages"
        folder.mkdir()
        for package in sorted(output.glob("*/*.conda")):
            condapkg.normalise(package, folder / package.name, epoch)
        folder.rename(target)


def _failure(name: str, place: Place, code: int) -> ForgeError:
    """What a failed build's log says, for the person who has to mend it."""
    lines = place.log.read_text(errors="replace").splitlines()
    if told_by("\n".join(lines[-200:])) or not all(map(has_room, (place.root, workshop()))):
        return DiskFullError(f"The recipe {name}")
    what = "a test of its package failed" if _in_tests(lines) else "its build failed"
    end = "\n".join(f"    {line[:300]}" for line in lines[-LOG_LINES:])
    reason = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    return ForgeError(f"The recipe {name}: {what} ({reason}). Its log ends:\n{end}", f"The whole log: {place.log}")


def _in_tests(lines: list[str]) -> bool:
    """Whether the last package had been written when the build ended."""
    marks = [line for line in lines if line.startswith(("Starting build of", _TESTING))]
    return bool(marks) and marks[-1].startswith(_TESTING)
