"""Hash-pinned requirement files (``lockfiles/pypi/ENV.txt``): read, and fetched by the machine's own pip."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from forge.errors import ForgeError
from forge.files import place, sha256_of, write_text
from forge.paths import LOCKFILES, cache_dir
from forge.progress import Step
from forge.sources.cache import HashMismatchError, cached, keep
from forge.sources.parallel import each
from forge.sources.pipindex import Found, PipIndex
from forge.target import PLATFORMS, PYTHON

FOLDER = LOCKFILES / "pypi"
WORKERS = 4
ORIGINS = ("recipes", "jupyterhubenv", "base", "notebook", "tests", "names")
"""The requirement files in which a recipe's origin is looked up, in this order."""


@dataclass(frozen=True)
class Pin:
    """A project at one version, with the sha256 of each of its files.

    Args:
        source_only: its sdist is wanted, also where there are wheels.
    """

    name: NormalizedName
    version: str
    hashes: frozenset[str]
    source_only: bool = False

    @property
    def digest(self) -> str:
        """sha256 over everything that decides which file is taken."""
        facts = [self.name, self.version, sorted(self.hashes), self.source_only, PYTHON, PLATFORMS]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def read_lock(env: str) -> list[Pin]:
    """The pins of ``lockfiles/pypi/ENV.txt``, in its order.

    Raises:
        ForgeError: there is no such file.
    """
    path = FOLDER / f"{env}.txt"
    if not path.is_file():
        raise ForgeError(f"{path.name} is missing in {path.parent}", "Run 'make lock'.")
    return parse_lock(path.read_text())


def parse_lock(text: str) -> list[Pin]:
    """The pins of a requirement file as ``pip install --require-hashes`` reads it."""
    lines = text.replace("\\\n", " ").splitlines()
    source_only = {canonicalize_name(line.split()[1]) for line in lines if line.startswith("--no-binary ")}
    pins = []
    for line in lines:
        if line[:1].isalnum():
            words = line.partition(" --hash=")[0]
            hashes = frozenset(
                word.removeprefix("--hash=sha256:") for word in line.split() if word.startswith("--hash=")
            )
            requirement = Requirement(words.strip())
            name = canonicalize_name(requirement.name)
            version = next(iter(requirement.specifier)).version
            pins.append(Pin(name, version, hashes, name in source_only))
    return pins


def pin_of(name: str) -> Pin:
    """The pin of one project: from the files that recipes are built from, else from an environment that has it.

    Raises:
        ForgeError: no requirement file pins it.
    """
    wanted = canonicalize_name(name)
    for env in ORIGINS:
        for pin in read_lock(env):
            if pin.name == wanted:
                return pin
    raise ForgeError(f"{name} is in none of {', '.join(f'{env}.txt' for env in ORIGINS)}", "Add it to recipes.in.")


def stage(name: str, into: Path) -> Pin:
    """Lays the project's file out as ``into/upstream/FILE``, under its own name (a wheel's name means something)."""
    pin = pin_of(name)
    path = fetch([pin], f"fetch {name}")[pin.name]
    place(path, into / "upstream" / path.name)
    return pin


def fetch_env(env: str) -> dict[str, Path]:
    """The file of every pin of ``env``, by its canonical name: a wheel where the target has one, else the sdist.

    Nothing that the cache holds is looked up again.
    """
    return fetch(read_lock(env), f"fetch {env}")


def fetch(pins: Iterable[Pin], title: str, index: PipIndex | None = None) -> dict[str, Path]:
    """The file of every pin, by its canonical name.

    Raises:
        HashMismatchError: a file is not among those that were locked.
        GoneError: no index has a file of the pin for the target.
        UnreachableError: an index does not answer, or not in time.
    """
    pins = list(pins)
    files = {pin.name: path for pin in pins if (path := _cached(pin))}
    missing = [pin for pin in pins if pin.name not in files]
    if missing:
        index = index or PipIndex()
        with Step(title, len(missing)) as step:
            paths = each(lambda pin: _fetch(pin, index, step), missing, WORKERS, index.stop)
        files.update((pin.name, path) for pin, path in zip(missing, paths, strict=True))
    return {pin.name: files[pin.name] for pin in pins}


def _fetch(pin: Pin, index: PipIndex, step: Step) -> Path:
    step.now(pin.name)
    found = index.find(pin.name, pin.version, pin.hashes, pin.source_only)
    path = _keep(pin, found, lambda target: index.download(found, target))
    write_text(_choice(pin), json.dumps({"filename": path.name, "sha256": path.parent.name}) + "\n")
    step.done(pin.name)
    return path


def _keep(pin: Pin, found: Found, download: Callable[[Path], None]) -> Path:
    """The found file in the cache."""
    expected = " or ".join(sorted(pin.hashes))
    if found.sha256 is not None:
        if found.sha256 not in pin.hashes:
            raise HashMismatchError(found.filename, expected, found.sha256)
        return keep(found.sha256, found.filename, download)
    # The index gives no hash: only the file itself can say which of the pinned ones it is.
    fresh = cache_dir("sources") / f".{pin.digest}.{found.filename}"
    try:
        download(fresh)
        got = sha256_of(fresh)
        if got not in pin.hashes:
            raise HashMismatchError(found.filename, expected, got)
        return keep(got, found.filename, functools.partial(_move, fresh))
    finally:
        fresh.unlink(missing_ok=True)


def _move(source: Path, target: Path) -> None:
    source.replace(target)


def _choice(pin: Pin) -> Path:
    """Remembers which file was chosen for the pin, so that a warm cache needs no index."""
    return cache_dir("choices") / f"{pin.digest}.json"


def _cached(pin: Pin) -> Path | None:
    path = _choice(pin)
    if not path.is_file():
        return None
    choice = json.loads(path.read_text())
    return cached(choice["sha256"], choice["filename"])
