"""What building and installing cost.

The builds run in a copy of the checkout with a cache of their own, so that "cold" means cold.
"""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.measure import Cost, Figure, cost
from forge import build
from forge.paths import ROOT
from forge.progress import say

ROUNDS = 5
CHANGED = "rich"
"""The project whose version is changed: pure Python, used by the build's own output and by the hub's tools."""


def measure() -> list[Figure]:
    """Every figure of this half."""
    installer = build.make_installer()
    with tempfile.TemporaryDirectory(prefix="hubforge-bench-", dir="/var/tmp") as folder:
        return [*_install(installer, Path(folder)), *_builds(Path(folder))]


def _install(installer: Path, folder: Path) -> list[Figure]:
    """The installer against `zstd -dc | tar x` of the tree that it makes, one after the other, ROUNDS times."""
    prefix, archive = folder / "prefix", folder / "tree.tar.zst"
    install = ["bash", str(installer), "-b", "-s", "-p", str(prefix)]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(f"tar c -C {prefix} . | zstd -q -T0 -15 -o {archive}", shell=True, check=True)
    floor = ["sh", "-c", f"mkdir {folder}/floor && zstd -dcq {archive} | tar x -C {folder}/floor"]
    pairs: list[tuple[Cost, Cost]] = []
    for _ in range(ROUNDS):
        shutil.rmtree(prefix)
        ours = cost(install)
        theirs = cost(floor)
        shutil.rmtree(folder / "floor")
        pairs.append((ours, theirs))
    return [
        Figure("install, wall, to zstd | tar", _median_ratio(pairs, lambda one: one.wall), "ratio", 2),
        Figure("install, CPU, to zstd | tar", _median_ratio(pairs, lambda one: one.cpu), "ratio", 2),
        Figure("install, wall", statistics.median(ours.wall for ours, _ in pairs), "s", None),
        Figure("installer's size", installer.stat().st_size / 1e6, "MB", None),
    ]


def _builds(folder: Path) -> list[Figure]:
    """Cold, unchanged, and with another version of one wheel."""
    checkout = folder / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns("dist", ".git", "__pycache__"))
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    make = ["sh", "forge/bootstrap.sh"]
    say("cold build")
    cold = cost([*make, "installer"], cwd=checkout, env=environment)
    unchanged = cost([*make, "installer"], cwd=checkout, env=environment)
    say(f"another version of {CHANGED}")
    _lower(checkout, CHANGED)
    subprocess.run([*make, "lock", CHANGED], cwd=checkout, env=environment, check=True)
    changed = cost([*make, "installer"], cwd=checkout, env=environment)
    return [
        Figure("cold build, wall", cold.wall / 60, "min", 15),
        Figure("cold build, memory", cold.peak / 2**30, "GiB", 4),
        Figure("nothing changed, wall", unchanged.wall, "s", 5),
        Figure("one wheel's version changed, wall", changed.wall, "s", 60),
    ]


def _lower(checkout: Path, project: str) -> None:
    """Asks for a version of ``project`` below the locked one."""
    lock = checkout / "lockfiles" / "pypi" / "jupyterhubenv.txt"
    version = re.search(rf"^{project}==(\S+)", lock.read_text(), re.M)
    assert version, f"{project} is locked"
    names = lock.with_suffix(".in")
    names.write_text(
        re.sub(rf"^{project}\b.*\n", "", names.read_text(), flags=re.M) + f"{project}<{version.group(1)}\n"
    )


def _median_ratio(pairs: list[tuple[Cost, Cost]], part: Callable[[Cost], float]) -> float:
    return statistics.median(part(ours) / part(theirs) for ours, theirs in pairs)
