"""What building costs.

The builds run in a copy of the checkout with a cache of their own, so that "cold" means cold.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from bench.measure import Figure, cost
from forge.progress import say
from forge.reproduce import copy_checkout

CHANGED = "rich"
"""The project whose version is changed: pure Python, used by the build's own output and by the hub's tools."""


def measure() -> list[Figure]:
    """Every figure of the builds."""
    with tempfile.TemporaryDirectory(prefix="hubforge-bench-", dir="/var/tmp") as folder:
        return _builds(Path(folder))


def _builds(folder: Path) -> list[Figure]:
    """Cold, unchanged, and with another version of one wheel."""
    checkout = folder / "checkout"
    copy_checkout(checkout)
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
