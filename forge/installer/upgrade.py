"""Brings what is there to this release, as one transaction (``-u``, ``-f``); runs on the server, as ``link.py`` does.

``plan`` says what would change and what of the administrator's is in the way, before anything is written. ``link`` does
it: every package of the new set lies in ``PREFIX/pkgs`` by then, beside those of the set before, and the records of
that set are kept in ``.hubforge/before`` until the marker says that the new one is complete. Killed on the way, it
goes on from what it finds. When it has failed, ``back`` puts back the set before, in a process of its own: rattler's
threads may go on linking for a while after an error.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from link import (  # type: ignore[import-not-found]
    Environment,
    Package,
    Release,
    link,
    marker,
    read_release,
    replace,
    stem_of,
    write_cache_records,
    write_condarc,
    write_history,
)
from rattler import Channel, MatchSpec, PrefixRecord, RepoDataRecord, SparseRepoData, VirtualPackage, solve
from rattler.exceptions import SolverError

EXIT_REFUSED = 1
EXIT_FAILED = 4


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
            for path in [*meta.glob("*.json"), *meta.glob("history")]:
                shutil.copy2(path, kept)
        (partial / "attempts.json").write_text("[]")
        os.sync()
        partial.rename(self.folder)
        os.sync()

    def attempts(self, environment: str) -> list[set[str]]:
        """The packages of every set that was to replace this one."""
        return [set(attempt.get(environment, ())) for attempt in self._attempts()]

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


@dataclass(frozen=True)
class Target:
    """What an environment is to hold: packages of the release, and what it holds already and keeps.

    ``added`` are those of the kept that no release has put there.
    """

    environment: Environment
    packages: list[Package]
    kept: list[PrefixRecord]
    added: list[PrefixRecord] = field(default_factory=list)

    @property
    def stems(self) -> set[str]:
        """All of it."""
        return {package.stem for package in self.packages} | {stem_of(record) for record in self.kept}


class InTheWayError(Exception):
    """Packages that the administrator has added can't stay."""

    def __init__(self, packages: Sequence[PrefixRecord], reason: str) -> None:
        super().__init__(reason)
        self.packages = packages
        self.reason = reason


# ---- the new set ----


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


def pinned(environment: Environment, present: Iterable[PrefixRecord]) -> set[str]:
    """What a release has brought that conda installed, as its metapackage pins it."""
    asked = {MatchSpec(spec).name.normalized for spec in environment.specs}
    pins = (depend.split() for record in present if record.name.normalized in asked for depend in record.depends)
    return {f"{pin[0]}-{pin[1].lstrip('=')}-{pin[2]}" for pin in pins if len(pin) == 3}


async def target(place: Place, release: Release, environment: Environment, present: Sequence[PrefixRecord]) -> Target:
    """Solves the release's packages, exactly as locked, together with what the administrator has added.

    Raises:
        InTheWayError: what was added doesn't go with the release.
    """
    names = {package.name for package in environment.packages}
    ours = earlier(environment, place.release_before()) | pinned(environment, present)
    if place.is_interrupted():
        ours = ours.union(*place.before.attempts(environment.name)) - added_before(place, environment, ours)
    others = [record for record in present if record.name.normalized not in names]
    added = [record for record in others if stem_of(record) not in ours]
    try:
        solution = await solved(place, release, environment, others, added)
    except SolverError as error:
        alone = [record for record in added if not await goes_with(place, release, environment, others, record)]
        raise InTheWayError(alone or added, str(error)) from None
    packages = {package.stem: package for package in release.packages}
    there = {stem_of(record): record for record in others}
    chosen = [stem_of(record) for record in solution]
    return Target(
        environment,
        [packages[stem] for stem in chosen if stem not in there],
        [there[stem] for stem in chosen if stem in there],
        added,
    )


def added_before(place: Place, environment: Environment, ours: set[str]) -> set[str]:
    """What was the administrator's when the interrupted run began."""
    return {stem_of(record) for record in place.before.records(environment.name)} - ours


async def goes_with(
    place: Place, release: Release, environment: Environment, others: list[PrefixRecord], record: PrefixRecord
) -> bool:
    """Whether one added package alone goes with the release."""
    try:
        await solved(place, release, environment, others, [record])
    except SolverError:
        return False
    return True


async def solved(
    place: Place,
    release: Release,
    environment: Environment,
    others: Sequence[PrefixRecord],
    added: Sequence[PrefixRecord],
) -> list[RepoDataRecord]:
    """The release's packages, the added ones, and those of ``others`` that these still need."""
    channel = Channel(release.channel_url)
    sources = [
        SparseRepoData(channel, path.stem.removeprefix("repodata-"), path)
        for path in sorted(place.work.glob("repodata-*.json"))
    ]
    pins = [f"{p.name} =={p.record['version']} {p.record['build']}" for p in environment.packages]
    return await solve(
        sources,
        [*pins, *(record.name.normalized for record in added)],
        platforms=["linux-64", "noarch"],
        locked_packages=list(others),
        virtual_packages=VirtualPackage.detect(),
    )


# ---- what is in the way ----


@dataclass(frozen=True)
class Distribution:
    """A Python project that pip has put into an environment."""

    name: str
    version: str


def by_pip(folder: Path, added: Iterable[PrefixRecord]) -> list[Distribution]:
    """What pip, or a tool of its kind, has put into an environment (PyPA: recording installed projects)."""
    of_conda = {path.parent.name for record in added for path in record.files if path.name == "METADATA"}
    found = []
    for path in sorted(folder.glob("lib/python3.*/site-packages/*.dist-info")):
        tool = path / "INSTALLER"
        if path.name in of_conda or not tool.is_file() or tool.read_text().strip() == "conda":
            continue
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        found.append(Distribution(normalised(name), version))
    return found


def normalised(name: str) -> str:
    """A project's name, as all tools compare it (PyPA: names and normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def provided(records: Iterable[PrefixRecord]) -> set[str]:
    """The Python projects that installed packages brought."""
    pattern = re.compile(r"lib/python3\.\d+/site-packages/([^/]+)-[^/-]+\.dist-info/METADATA")
    found = (pattern.fullmatch(path.as_posix()) for record in records for path in record.files)
    return {normalised(match[1]) for match in found if match}


def python_series(stems: Iterable[str]) -> str:
    """The Python among packages, as ``3.13``; empty where there is none."""
    for stem in stems:
        name, version, _ = stem.rsplit("-", 2)
        if name == "python":
            return ".".join(version.split(".")[:2])
    return ""


@dataclass(frozen=True)
class Plan:
    """What would happen to an environment, as lines for the header: a key, the environment, values.

    Where there are ``refusals``, nothing will.
    """

    lines: list[str]
    refusals: list[str]


async def plan_for(place: Place, release: Release, environment: Environment, relink: bool) -> Plan:
    """Looks at one environment."""
    name, folder = environment.name, environment.folder(place.prefix)
    present = {stem_of(record): record for record in read_records(folder)}
    try:
        new = await target(place, release, environment, list(present.values()))
    except InTheWayError as error:
        packages = [f"package {name} {record.name.normalized} {record.version}" for record in error.packages]
        return Plan([], packages + [f"reason {name} {line}" for line in error.reason.splitlines() if line.strip()])
    coming = [package for package in new.packages if relink or package.stem not in present]
    going = [record for stem, record in present.items() if stem not in new.stems]
    # Files of a package that was linked in part belong to no package yet.
    pip = [] if place.is_interrupted() else by_pip(folder, new.added)
    changing = provided(going) | {project for package in coming for project in package.distributions}
    refusals = [f"pip {name} {item.name} {item.version}" for item in pip if item.name in changing]
    stay = [item for item in pip if item.name not in changing]
    return Plan(
        [f"changes {name} {counts(coming, going)}", *kept_lines(name, new.added, stay)],
        refusals or of_another_python(name, present, new, stay),
    )


def counts(coming: Iterable[Package], going: Iterable[PrefixRecord]) -> str:
    """How many packages change, come and go."""
    come, go = {package.name for package in coming}, {record.name.normalized for record in going}
    return f"{len(come & go)} {len(come - go)} {len(go - come)}"


def kept_lines(name: str, added: Sequence[PrefixRecord], pip: Sequence[Distribution]) -> list[str]:
    """What stays of what was added."""
    lines = [f"kept {name} {' '.join(record.name.normalized for record in added)}"] if added else []
    return lines + ([f"pip_kept {name} {' '.join(item.name for item in pip)}"] if pip else [])


def of_another_python(name: str, present: Iterable[str], new: Target, pip: Sequence[Distribution]) -> list[str]:
    """What was added for a Python that the release doesn't have: it lies in a folder of that Python's."""
    before, after = python_series(present), python_series(new.stems)
    if not before or not after or before == after:
        return []
    packages = [f"{record.name.normalized} {record.version}" for record in new.kept if "python" in str(record.noarch)]
    found = [*packages, *(f"{item.name} {item.version}" for item in pip)]
    return [f"python {name} {before} {after} {what}" for what in found]


async def plan(place: Place, relink: bool) -> int:
    """Writes ``plan`` into the work folder; whether something is in the way."""
    release = read_release(place.work)
    plans = [await plan_for(place, release, environment, relink) for environment in release.environments]
    refusals = [line for found in plans for line in found.refusals]
    lines = refusals or [line for found in plans for line in found.lines]
    (place.work / "plan").write_text("".join(f"{line}\n" for line in lines))
    return EXIT_REFUSED if refusals else 0


# ---- the change ----


def mend_records(folder: Path, before: Before, environment: str) -> None:
    """Takes away conda's records that a killed run has left half-written; those of the set before come back."""
    for path in (folder / "conda-meta").glob("prefix_record_*"):  # rattler's, before it has its name
        path.unlink()
    for path in sorted((folder / "conda-meta").glob("*.json")):
        if readable(path):
            continue
        kept = before.folder / environment / path.name
        path.unlink()
        if kept.is_file():
            shutil.copy2(kept, path)


def sweep(folder: Path, cache: Path, stems: Collection[str]) -> None:
    """Removes the files of packages that were linked or unlinked only in part, but for what installed ones own."""
    owned = {path.as_posix() for record in read_records(folder) for path in record.files}
    folders: set[Path] = set()
    for stem in stems:
        for name in paths_in_prefix(folder, cache / stem):
            path = folder / name
            if name not in owned and os.path.lexists(path):
                path.unlink()
            folders.update(path.parents[: len(Path(name).parents) - 1])
    for parent in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if parent.is_dir() and not parent.is_symlink() and not any(parent.iterdir()):
            parent.rmdir()


def paths_in_prefix(folder: Path, package: Path) -> Iterator[str]:
    """Where the files of an unpacked package go (CEP 20: noarch: python has no place of its own)."""
    if not (package / "info/paths.json").is_file():
        return
    site_packages = [path.relative_to(folder).as_posix() for path in folder.glob("lib/python3.*/site-packages")]
    for entry in json.loads((package / "info/paths.json").read_text())["paths"]:
        top, _, rest = entry["_path"].partition("/")
        if top == "site-packages":
            yield from (f"{place}/{rest}" for place in site_packages)
        else:
            yield f"bin/{rest}" if top == "python-scripts" else entry["_path"]
    if (package / "info/link.json").is_file():
        noarch = json.loads((package / "info/link.json").read_text()).get("noarch", {})
        yield from (f"bin/{entry.partition('=')[0].strip()}" for entry in noarch.get("entry_points", ()))


def unfinished(before: Before, environment: str, stems: Collection[str]) -> set[str]:
    """The packages that an earlier run may have left in part, without those in ``stems``."""
    mentioned = {stem_of(record) for record in before.records(environment)}.union(*before.attempts(environment))
    return mentioned - set(stems)


async def change(place: Place, new: Target, relink: bool, resumed: bool) -> None:
    """Makes one environment hold its target."""
    environment, before = new.environment, place.before
    folder = environment.folder(place.prefix)
    packages = {package.name for package in new.packages}
    untouched = before.untouched(environment.name)
    anew = {package.name for package in new.packages if package.stem not in untouched}
    await link(
        environment,
        folder,
        [package.linkable(place.cache) for package in new.packages],
        cache=place.cache,
        present=read_records(folder),
        ignored={record.name.normalized for record in new.kept},
        anew=packages if relink else anew if resumed else (),
    )
    if resumed:
        sweep(folder, place.cache, unfinished(before, environment.name, new.stems))
    # rattler notes in every record whether it was asked for, and would unsay what conda has noted there.
    kept = {stem_of(record) for record in new.kept}
    for path in before.files(environment.name):
        if path.stem in kept:
            shutil.copy2(path, folder / "conda-meta")


async def bring(place: Place, relink: bool, command: str) -> None:
    """All of it, in order."""
    release, resumed = read_release(place.work), place.is_interrupted()
    if not resumed:
        place.before.take(place, release)
        if place.complete.is_file():
            place.complete.rename(place.replaced)
    for environment in release.environments:
        mend_records(environment.folder(place.prefix), place.before, environment.name)
    present = {item.name: read_records(item.folder(place.prefix)) for item in release.environments}
    targets = [await target(place, release, item, present[item.name]) for item in release.environments]
    place.before.add_attempt({new.environment.name: sorted(new.stems) for new in targets})
    replaced = place.release_before()
    for new in targets:
        environment = new.environment
        print(f"  {environment.name}: {len(new.stems)} packages", flush=True)
        await change(place, new, relink, resumed)
        asked = replaced.get("environments", {}).get(environment.name, {}).get("specs", ())
        wanted = {MatchSpec(spec).name.normalized for spec in environment.specs}
        dropped = [name for spec in asked if (name := MatchSpec(spec).name.normalized) not in wanted]
        write_history(environment, environment.folder(place.prefix), command, release, dropped)
    write_cache_records(place.cache, release.packages)
    write_condarc(place.prefix, release.condarc, replaced.get("condarc_sha256"))
    ours = {item.name: sorted(earlier(item, replaced)) for item in release.environments}
    replace(place.work / "installed.json", marker(release, ours))


# ---- back ----


async def back(place: Place) -> None:
    """Puts back the set before."""
    before = place.before
    for environment in read_release(place.work).environments:
        folder = environment.folder(place.prefix)
        mend_records(folder, before, environment.name)
        old, untouched = before.records(environment.name), before.untouched(environment.name)
        await link(
            environment,
            folder,
            old,
            cache=place.cache,
            present=read_records(folder),
            ignored={record.name.normalized for record in old if stem_of(record) in untouched},
            anew={record.name.normalized for record in old if stem_of(record) not in untouched},
        )
        sweep(folder, place.cache, unfinished(before, environment.name, {stem_of(record) for record in old}))
        meta = folder / "conda-meta"
        for path in meta.glob("*.json"):
            path.unlink()
        for path in (before.folder / environment.name).iterdir():
            shutil.copy2(path, meta)


# ---- the command line ----


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Bring an installation to this release.")
    parser.add_argument("task", choices=("plan", "link", "back"))
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--relink", action="store_true", help="link packages anew that are there already")
    parser.add_argument("--command", default="", help="what conda's history shows as the command")
    return parser.parse_args()


def main() -> int:
    """Ends with 0; with 1 when something is in the way; with 4 and one line when it has failed."""
    os.umask(0o022)
    options = parse()
    place = Place(options.prefix, options.work)
    try:
        if options.task == "plan":
            return asyncio.run(plan(place, options.relink))
        asyncio.run(back(place) if options.task == "back" else bring(place, options.relink, options.command))
    except Exception as error:  # people see one line, whatever it was
        doing = {"plan": "looking at what is installed", "link": "linking the packages", "back": "going back"}
        print(f"hub-installer: {doing[options.task]} failed: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as in link.py
