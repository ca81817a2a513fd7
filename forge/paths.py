"""Where things are: the checkout, what it produces, and the cache that every checkout shares."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

RECIPES = ROOT / "recipes"
LOCKFILES = ROOT / "lockfiles"
CONSTRUCT = ROOT / "construct.yaml"

DIST = ROOT / "dist"
CHANNEL = DIST / "channel"
INSTALLER = DIST / "hub-installer.sh"


def cache_dir(name: str) -> Path:
    """The folder ``name`` of the cache (XDG Base Directory Specification), made when it is missing.

    Known names: ``sources`` (downloads, by sha256), ``packages`` (built packages, by the hash of their inputs),
    ``build`` (work folders), ``apt`` (private apt state), ``linked`` (py-rattler's package cache).
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "hubforge" / name
    path.mkdir(parents=True, exist_ok=True)
    return path
