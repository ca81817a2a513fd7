"""``make reproduce``: two builds that share nothing but the downloads, and what differs between them."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from forge import differences, processes
from forge.errors import ForgeError
from forge.files import sha256_of
from forge.paths import BUILDS, CHANNEL, DIST, INSTALLER, ROOT, cache_dir
from forge.progress import say

DOWNLOADS = ("apt", "choices", "sources")
"""What of the cache both builds may use: files whose hashes are locked. Built packages and packed npm trees are not."""

SURROUNDINGS = {"one": "WEST+12", "two/in-a-longer-path": "EAST-14"}
"""The builds: their folders, and time zones (POSIX TZ) in which it is never the same day."""


def main() -> None:
    """Builds the installer twice, each time in a folder and with a cache that nothing was built in before.

    Raises:
        ForgeError: a build failed, or the two differ: then both results stay for a closer look.
    """
    folder = Path(tempfile.mkdtemp(prefix="hubforge-reproduce-", dir=BUILDS))
    try:
        for name in SURROUNDINGS:  # both before the first build, which takes long: the checkout may be worked in
            copy_checkout(folder / name / "checkout")
        first, second = (_build(folder / name, zone) for name, zone in SURROUNDINGS.items())
        found = differences.between(first, second)
        if not found:
            packages = len(list((first / CHANNEL.relative_to(DIST)).glob("*/*.conda")))
            digest = sha256_of(first / INSTALLER.relative_to(DIST))
            say(f"the same, byte for byte: {packages} packages, their index, and the installer, sha256 {digest}")
            shutil.rmtree(folder)
            return
    except BaseException:
        shutil.rmtree(folder)
        raise
    for name in SURROUNDINGS:
        shutil.rmtree(folder / name / "cache")
    for difference in found:
        print(difference)
    raise ForgeError(
        f"two builds differ in {len(found)} of their files", f"Both are kept in {folder}; remove it later."
    )


def copy_checkout(target: Path) -> None:
    """Copies what a build needs of this checkout, nothing that one has left in it."""
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns("dist", ".git", "__pycache__"))


def _build(folder: Path, zone: str) -> Path:
    """Builds the checkout in ``folder``, as if that were elsewhere on the earth; returns its ``dist``."""
    say(f"building in {folder}, time zone {zone}")
    checkout, cache = folder / "checkout", folder / "cache"
    (cache / "hubforge").mkdir(parents=True)
    for name in DOWNLOADS:
        (cache / "hubforge" / name).symlink_to(cache_dir(name))
    variables = os.environ | {"XDG_CACHE_HOME": str(cache), "TZ": zone}
    command = [sys.executable, "-m", "forge", "installer"]
    if processes.run(command, cwd=checkout, env=variables).returncode:
        raise ForgeError(f"the build in {folder} failed", "What it says above tells why.")
    return checkout / DIST.relative_to(ROOT)
