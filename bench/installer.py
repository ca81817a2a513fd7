"""What installing costs, against the floor.

The floor is `zstd -dc | tar x` of the tree that the installer makes. The
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
from collections.abc import Sequence
from pathlib import Path

from bench import constructor
from bench.measure import Cost, Figure, cost
from bench.scratch import ROUNDS, fresh_file_system, install, ratio
from forge import build, condapkg, differences
from forge.errors import ForgeError
from forge.installer import build_helper
from forge.paths import BUILDS
from forge.progress import say

COMMANDS = {"jupyterhub": "envs/jupyterhubenv/bin/jupyterhub", "conda": "bin/conda"}

READS = 25
"""Rounds of what lasts a tenth of a second, where a moment of anything else shows."""

FLOOR, OURS = "zstd | tar, then sync, wall", "install, wall"
"""Figures that the picture shows, in seconds."""


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
        archive = _tree(installer, folder)
        return [
            *_against_the_floor(installer, archive, folder),
            *_phases(installer, folder),
            *_hash_check(installer, folder),
            *_first_starts(installer, folder),
            *constructor.race(installer, folder),
            Figure("installer's size", installer.stat().st_size / 1e6, "MB"),
        ]


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
        Figure("install, wall, to zstd | tar, then sync", ratio(pairs, lambda one: one.wall), "ratio", 1),
        Figure("the same on one processor", ratio(alone, lambda one: one.wall), "ratio", 1.2),
        Figure("install, CPU, to zstd | tar", ratio(pairs, lambda one: one.cpu), "ratio"),
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
    size = installer.stat().st_size
    before = size - len(parts["payload"])
    check = [str(word) for word in (helper, "verify", installer, folder / "packages", before, "checking")]
    pairs = []
    os.sync()  # what came before still has the disk write
    for _ in range(READS):
        _forget(installer)
        ours = cost(check)
        _forget(installer)
        pairs.append((ours, cost(["dd", f"if={installer}", "of=/dev/null", "bs=1M", "status=none"])))
    warm = [cost(check) for _ in range(READS)]
    return [
        Figure("hash check from the disk, wall, to reading the file", ratio(pairs, lambda one: one.wall), "ratio"),
        Figure("reading the file from the disk", size / 1e6 / min(theirs.wall for _, theirs in pairs), "MB/s"),
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
