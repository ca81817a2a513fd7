"""Where things are: the checkout, what it produces, and the cache that every checkout shares."""

import hashlib
import os
import pwd
import stat
from pathlib import Path

from forge.errors import ForgeError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

RECIPES = ROOT / "recipes"
LOCKFILES = ROOT / "lockfiles"
DOCS = ROOT / "docs"
CONSTRUCT = ROOT / "construct.yaml"

DIST = ROOT / "dist"
CHANNEL = DIST / "packages"
"""The channel of exactly what this checkout makes now; every build makes it again."""
PUBLISHED = DIST / "channel"
"""The channel that servers install from: releases are added to it, and nothing in it is ever rewritten."""
INSTALLER = DIST / "hub-installer.sh"

BUILDS = Path("/var/tmp")
"""Where recipes are built and scratch prefixes lie: at the same paths for everybody."""


def cache_dir(name: str) -> Path:
    """The folder ``name`` of the cache (XDG Base Directory Specification), made when it is missing.

    Known names: ``sources`` (downloads, by sha256), ``choices`` (which file a PyPI pin stands for), ``npm`` (packed
    trees), ``packages`` (built packages, by the hash of their inputs), ``build`` (work folders), ``apt`` (private apt
    state), ``linked`` (py-rattler's package cache), ``rootfs`` (Debian's root file systems).
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "hubforge" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def work_dir(name: str) -> Path:
    """The folder ``name`` in the cache that is this checkout's alone; its parent is made when it is missing."""
    return cache_dir("build") / f"checkout-{hashlib.sha256(bytes(ROOT)).hexdigest()[:16]}" / name


def public_dir(name: str, owner: pwd.struct_passwd) -> Path:
    """A folder of ``owner`` that every user can enter, which a home or a cache often is not; made when it is missing.

    Raises:
        ForgeError: something else of that name is there already.
    """
    path = BUILDS / f"hubforge-{name}-{owner.pw_uid}"
    try:
        path.mkdir(mode=0o755)
        os.chown(path, owner.pw_uid, -1)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.pw_uid:
            raise ForgeError(f"{path} is not a folder of {owner.pw_name}", "Remove it: it is wanted here.") from None
    path.chmod(0o755)
    return path
