"""What ``-u`` finds in an installation, and what it keeps of it until the new release is complete."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link import Environment, Release, replace, stem_of  # type: ignore[import-not-found]
from rattler import PrefixRecord


@dataclass(frozen=True)
class Place:
    """The installation that is brought to another release.

    Attributes:
        prefix: of the installation.
        work: where the header has laid what this release carries.
    """

    prefix: Path
    work: Path

    @property
    def cache(self) -> Path:
        """The package cache."""
        return self.prefix / "pkgs"

    @property
    def complete(self) -> Path:
        """The marker of a complete release."""
        return self.prefix / ".hubforge/installed.json"

    @property
    def replaced(self) -> Path:
        """The marker of the release that is being replaced, from the first change to the last."""
        return self.prefix / ".hubforge/replaced.json"

    @property
    def before(self) -> "Before":
        """The set before."""
        return Before(self.prefix / ".hubforge/before")

    def release_before(self) -> dict[str, Any]:
        """The marker of the last complete release; empty where there is none."""
        for path in (self.complete, self.replaced):
            if path.is_file():
                found: dict[str, Any] = json.loads(path.read_text())
                return found
        return {}

    def is_interrupted(self) -> bool:
        """Whether an earlier run has begun to change the environments."""
        return not self.complete.is_file() and self.before.folder.is_dir()


@dataclass(frozen=True)
class Before:
    """What the environments held before the first change: conda's records and history, and what was tried since.

    It appears whole, and stays until the new set is complete or the old one is back.
    """

    folder: Path

    def take(self, place: Place, release: Release) -> None:
        """Keeps the records of every environment; they are on the disk when this returns."""
        partial = self.folder.with_name("before.partial")
        for leftover in (partial, self.folder):
            shutil.rmtree(leftover, ignore_errors=True)
        for environment in release.environments:
            kept = partial / environment.name
            kept.mkdir(parents=True)
            meta = environment.folder(place.prefix) / "conda-meta"
            records = [path for path in meta.glob("*.json") if readable(path)]
            for path in [*records, *meta.glob("history")]:
                shutil.copy2(path, kept)
        (partial / "attempts.json").write_text("[]")
        os.sync()
        partial.rename(self.folder)
        os.sync()

    def attempts(self, environment: str) -> list[set[str]]:
        """The packages of every set that was to replace this one."""
        return [set(attempt.get(environment, ())) for attempt in self._attempts()]

    def has_attempts(self) -> bool:
        """Whether a run may have begun to link."""
        return bool(self._attempts())

    def _attempts(self) -> list[dict[str, list[str]]]:
        found: list[dict[str, list[str]]] = json.loads((self.folder / "attempts.json").read_text())
        return found

    def add_attempt(self, sets: dict[str, list[str]]) -> None:
        """Notes what is going to be linked, before it is."""
        attempts = self._attempts()
        if sets not in attempts:
            replace(self.folder / "attempts.json", json.dumps([*attempts, sets]))

    def files(self, environment: str) -> list[Path]:
        """conda's records of an environment."""
        return sorted((self.folder / environment).glob("*.json"))

    def records(self, environment: str) -> list[PrefixRecord]:
        """The packages of an environment."""
        return [PrefixRecord.from_path(path) for path in self.files(environment)]

    def untouched(self, environment: str) -> set[str]:
        """The packages that no attempt was to change."""
        stems = {stem_of(record) for record in self.records(environment)}
        return stems.intersection(*self.attempts(environment))


def read_records(folder: Path) -> list[PrefixRecord]:
    """The packages of an environment whose records can be read."""
    return [record for path in sorted((folder / "conda-meta").glob("*.json")) if (record := readable(path))]


def readable(path: Path) -> PrefixRecord | None:
    """One of conda's records; None where a killed run has left half of it."""
    try:
        return PrefixRecord.from_path(path)
    except Exception:  # rattler has one for each kind of damage
        return None


def earlier(environment: Environment, before: dict[str, Any]) -> set[str]:
    """The packages that releases have put into an environment, up to the last complete one."""
    packages = before.get("environments", {}).get(environment.name, {}).get("packages", {})
    return {entry.split()[0] for entry in packages.values()} | set(before.get("earlier", {}).get(environment.name, ()))
