"""Looks at what would change, and what of the administrator's is in the way; writes nothing but the plan."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from link import Environment, Package, Release, read_release, stem_of  # type: ignore[import-not-found]
from rattler import PrefixRecord
from upgrade_state import Place, read_records  # type: ignore[import-not-found]
from upgrade_target import InTheWayError, Target, target  # type: ignore[import-not-found]


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


async def plan(place: Place, relink: bool) -> bool:
    """Writes ``plan`` into the work folder; whether something is in the way."""
    release = read_release(place.work)
    plans = [await plan_for(place, release, environment, relink) for environment in release.environments]
    refusals = [line for found in plans for line in found.refusals]
    lines = refusals or [line for found in plans for line in found.lines]
    (place.work / "plan").write_text("".join(f"{line}\n" for line in lines))
    return bool(refusals)
