"""Locked sources: what recipes and environments are made from, and how it gets here."""

from pathlib import Path

from forge import dates
from forge.errors import ForgeError
from forge.locking import alone
from forge.progress import say
from forge.sources import debian, npm, pypi, pypilock
from forge.sources.origin import Described, Origin, Staged
from forge.sources.pypi import Pin, fetch_env, read_lock

__all__ = ["Described", "Origin", "Pin", "Staged", "describe", "fetch_env", "lock", "read_lock", "stage"]


def describe(origin: Origin) -> Described:
    """What the lock says of ``origin``; nothing is fetched.

    Raises:
        ForgeError: the lock does not know it.
    """
    if origin.registry == "debian":
        source = debian.pin_of(origin.name)
        return Described(source.upstream, source.digest)
    if origin.registry == "npm":
        tree = npm.tree_of(origin.name)
        return Described(tree.version, tree.digest)
    project = pypi.pin_of(origin.name)
    return Described(project.version, project.digest)


def stage(origin: Origin, into: Path, frozen: bool = False) -> Staged:
    """Fetches ``origin`` and lays it out below the empty or missing folder ``into``.

    ========== ==================================================================================================
    registry   what is there
    ========== ==================================================================================================
    ``debian`` ``upstream/NAME.tar.*``, ``debian-patches/*`` with a ``series`` (empty where there are none)
    ``pypi``   ``upstream/FILE``, the wheel or sdist under its own name
    ``npm``    ``upstream/NAME.tar`` with ``node_modules/`` in it
    ========== ==================================================================================================

    Args:
        frozen: a Debian version that the mirror no longer holds is an error, instead of moving forward.

    Raises:
        ForgeError: the lock does not know it, or it can't be had as locked.
    """
    if origin.registry == "debian":
        debian.stage(origin.name, into, frozen)
    elif origin.registry == "npm":
        npm.stage(origin.name, into)
    else:
        pypi.stage(origin.name, into)
    # described last: a Debian pin may just have moved
    described = describe(origin)
    return Staged(described.version, described.digest, into, _date(into))


def _date(staged: Path) -> int:
    archives = [dates.newest(path) for path in (staged / "upstream").iterdir()]
    patches = [int(path.stat().st_mtime) for path in (staged / "debian-patches").glob("*") if path.name != "series"]
    return max(archives + patches)


def lock(name: str | None = None) -> None:
    """Refreshes every lock, or what ``name`` is pinned by, and prints what moved.

    Args:
        name: a PyPI project that is locked or newly named, one of the requirement files (``base``), a Debian source
            package or an npm tree; every one of these that has the name.

    Raises:
        ForgeError: no lock knows the name, or the refreshed versions can't be had.
    """
    if name is not None and not is_known(name):
        raise ForgeError(
            f"no lock knows {name}",
            "Give a Debian source package, an npm tree, a requirement file, or a PyPI project that a requirement file "
            "or site.in names.",
        )
    moved = []
    with alone():
        if name is None or debian.knows(name):
            moved += debian.lock([name] if name else [])
        if name is None or pypilock.knows(name):
            moved += pypilock.lock(name)
        if name is None or name in npm.names():
            moved += npm.lock(name)
    for move in moved:
        print(move)
    if not moved:
        say("nothing has moved")


def is_known(name: str) -> bool:
    """Whether some lock pins something of that name."""
    return debian.knows(name) or pypilock.knows(name) or name in npm.names()
