"""What installing costs: against the floor, and against what conda's own `constructor` makes of the same packages.

The floor is `zstd -dc | tar x` of the tree that the installer makes. Both go to a file system that was made for this
one run, an ext4 in a file on the disk of /var/tmp: what was there before, or was just deleted, has no part in it. The
installer ends when all is on the disk, since its marker must not outlive a power cut that its files do not; so the
floor is taken with a `sync` behind it, and without, where the kernel writes when it likes.
"""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Cost, Figure, cost
from forge import build, condapkg, differences
from forge.errors import ForgeError
from forge.installer import build_helper
from forge.paths import BUILDS, CHANNEL, ROOT
from forge.progress import say
from tests.product import constructed

ROUNDS = 5
FILE_SYSTEM = 6 * 2**30
"""Bytes of the file systems that are installed into."""

SMALL = ROOT / "bench" / "small" / "construct.yaml"
"""What constructor is raced with beside the whole."""

COMMANDS = {"jupyterhub": "envs/jupyterhubenv/bin/jupyterhub", "conda": "bin/conda"}

FLOOR, OURS, PEER = "zstd | tar, then sync, wall", "install, wall", "constructor's install, then sync, wall"
"""The figures that the picture shows, in seconds."""


def measure() -> list[Figure]:
    """Every figure of the installer.

    Raises:
        ForgeError: this is not root's, who alone may mount.
    """
    if os.geteuid() != 0:
        raise ForgeError("measuring the installer mounts file systems, which only root may", "Run it as root.")
    installer = build.make_installer()
    with tempfile.TemporaryDirectory(prefix="hubforge-bench-", dir=BUILDS) as name:
        folder = Path(name)
        (folder / "ours").mkdir()
        archive = _tree(installer, folder)
        return [
            *_against_the_floor(installer, archive, folder),
            *_phases(installer, folder),
            *_hash_check(installer, folder),
            *_first_starts(installer, folder),
            *_against_constructor(installer, folder),
            Figure("installer's size", _size(installer) / 1e6, "MB"),
        ]


@contextmanager
def fresh_file_system(folder: Path) -> Iterator[Path]:
    """An empty ext4 in a file below ``folder``, for the block; all that was to be written before has been."""
    image, point = folder / "image", folder / "mounted"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(FILE_SYSTEM)
    # what a first mount would do in the background is done now
    made_now = ["-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", "-q", *made_now, str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    os.sync()
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
        point.rmdir()
        image.unlink()


def install(installer: Path, place: Path) -> list[str]:
    """The command that installs below ``place`` and leaves the host alone."""
    return ["bash", str(installer), "-b", "-s", "-p", f"{place}/prefix", "--log", "/dev/null"]


def _tree(installer: Path, folder: Path) -> Path:
    """The final tree as an archive, compressed as the packages are."""
    say("the floor's archive")
    archive = folder / "tree.tar.zst"
    with fresh_file_system(folder) as place:
        subprocess.run(install(installer, place), check=True, stdout=subprocess.DEVNULL)
        pack = f"tar c -C {place} prefix | zstd -q -T0 -{condapkg.ZSTD_LEVEL} -o {archive}"
        subprocess.run(pack, shell=True, check=True)
    return archive


def _against_the_floor(installer: Path, archive: Path, folder: Path) -> list[Figure]:
    """In turn, ROUNDS times: on all processors, then on one."""
    one = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
    say("installing, against the floor")
    rounds = _rounds(installer, archive, folder, [])
    pairs = [(ours, synced) for ours, synced, _ in rounds]
    say("the same on one processor")
    alone = [(ours, synced) for ours, synced, _ in _rounds(installer, archive, folder, one)]
    with fresh_file_system(folder) as place:
        peak = cost(install(installer, place), interval=0.02).peak
    return [
        Figure("install, wall, to zstd | tar, then sync", _ratio(pairs, lambda one: one.wall), "ratio", 1),
        Figure("the same on one processor", _ratio(alone, lambda one: one.wall), "ratio", 1.2),
        Figure("install, CPU, to zstd | tar", _ratio(pairs, lambda one: one.cpu), "ratio"),
        Figure(
            "install, wall, to zstd | tar that the kernel has yet to write",
            statistics.median(ours.wall / unwritten.wall for ours, _, unwritten in rounds),
            "ratio",
        ),
        Figure(OURS, statistics.median(ours.wall for ours, _ in pairs), "s"),
        Figure(FLOOR, statistics.median(floor.wall for _, floor in pairs), "s"),
        Figure("install, memory", peak / 2**20, "MiB", 150),
    ]


def _rounds(installer: Path, archive: Path, folder: Path, wrapper: Sequence[str]) -> list[tuple[Cost, Cost, Cost]]:
    """Ours, the floor with its `sync`, and without."""
    rounds = []
    for _ in range(ROUNDS):
        with fresh_file_system(folder) as place:
            ours = cost([*wrapper, *install(installer, place)])
        floor = f"zstd -dcq {archive} | tar x -C {place}"
        with fresh_file_system(folder):
            synced = cost([*wrapper, "sh", "-c", f"{floor} && sync -f {place}"])
        with fresh_file_system(folder):
            rounds.append((ours, synced, cost([*wrapper, "sh", "-c", floor])))
    return rounds


def _ratio(pairs: Sequence[tuple[Cost, Cost]], part: Callable[[Cost], float]) -> float:
    return statistics.median(part(ours) / part(theirs) for ours, theirs in pairs)


def _phases(installer: Path, folder: Path) -> list[Figure]:
    """When the summary has been said, which ends with the line of the log."""
    say("from the first byte to the summary")
    waits = []
    for _ in range(ROUNDS):
        with fresh_file_system(folder) as place:
            _forget(installer)
            began = time.monotonic()
            with subprocess.Popen(install(installer, place), stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout
                while not re.match(r"  log ", line := process.stdout.readline()):
                    assert line, "the installer said its summary"
                waits.append(time.monotonic() - began)
                process.stdout.read()
    return [Figure("from the start to the summary", statistics.median(waits), "s", 1)]


def _hash_check(installer: Path, folder: Path) -> list[Figure]:
    """The helper's check of every package, against reading the file; both from the disk, not from memory."""
    say("the check of every sha256, against reading the file")
    helper, parts = folder / "unpack", differences.parts(installer)
    helper.write_bytes(build_helper.helper().program.read_bytes())
    helper.chmod(0o755)
    (folder / "packages").write_bytes(parts["packages"])
    before = installer.stat().st_size - len(parts["payload"])
    check = [str(word) for word in (helper, "verify", installer, folder / "packages", before, "checking")]
    pairs = []
    for _ in range(ROUNDS):
        _forget(installer)
        ours = cost(check)
        _forget(installer)
        pairs.append((ours, cost(["dd", f"if={installer}", "of=/dev/null", "bs=1M", "status=none"])))
    warm = [cost(check) for _ in range(ROUNDS)]
    return [
        Figure("hash check from the disk, wall, to reading the file", _ratio(pairs, lambda one: one.wall), "ratio"),
        Figure("hash check from memory", len(parts["payload"]) / 1e6 / min(one.wall for one in warm), "MB/s"),
        Figure("processors at work in it", statistics.median(one.cpu / one.wall for one in warm), ""),
    ]


def _forget(file: Path) -> None:
    """Lets the kernel drop what it holds of ``file`` in memory."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _first_starts(installer: Path, folder: Path) -> list[Figure]:
    """`--version` of the two commands from a prefix that nothing can be written to, with its byte code and without."""
    say("first starts on a read-only prefix")
    figures = []
    with fresh_file_system(folder) as place:
        subprocess.run(install(installer, place), check=True, stdout=subprocess.DEVNULL)
        for how in ("", " without byte code"):
            if how:
                subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
                for cache in [*place.rglob("__pycache__")]:
                    shutil.rmtree(cache)
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
            for name, path in COMMANDS.items():
                seconds = statistics.median(cost([f"{place}/prefix/{path}", "--version"]).wall for _ in range(ROUNDS))
                figures.append(Figure(f"{name} --version{how}", seconds, "s"))
    return figures


def _against_constructor(installer: Path, folder: Path) -> list[Figure]:
    """The same environments, packages and byte code, by the installer of `constructor`, where that is on PATH.

    Of all that the installer carries, and of SMALL, on which constructor was measured first.
    """
    if not shutil.which("constructor"):
        say("no constructor on PATH: the floor stands alone")
        return []
    say("against constructor's installer")
    theirs = constructed(CHANNEL, folder)
    wall, peer = _race(installer, theirs, folder)
    small = build.make_installer_of(SMALL, folder / "ours")
    small_theirs = constructed(CHANNEL, folder / "theirs", SMALL)
    small_wall, small_peer = _race(small, small_theirs, folder)
    return [
        Figure("install, wall, to constructor's", wall, "ratio"),
        Figure(PEER, peer, "s"),
        Figure("installer's size to constructor's", _size(installer) / _size(theirs), "ratio"),
        Figure("two small environments, wall, to constructor's", small_wall, "ratio", 1 / 15),
        Figure("two small environments by constructor's, then sync, wall", small_peer, "s"),
        Figure("their installer's size to constructor's", _size(small) / _size(small_theirs), "ratio", 0.8),
    ]


def _race(ours: Path, theirs: Path, folder: Path) -> tuple[float, float]:
    """In turn, ROUNDS times: the ratio of the wall times, and constructor's in seconds."""
    pairs = []
    for _ in range(ROUNDS):
        with fresh_file_system(folder) as place:
            mine = cost(install(ours, place))
        with fresh_file_system(folder) as place:
            command = f"bash {theirs} -b -s -p {place}/prefix && sync -f {place}"
            pairs.append((mine, cost(["sh", "-c", command])))
    return _ratio(pairs, lambda one: one.wall), statistics.median(peer.wall for _, peer in pairs)


def _size(file: Path) -> int:
    return file.stat().st_size
