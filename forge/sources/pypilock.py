"""Which requirement files there are, in which order they are resolved, and how they agree on what they share."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from forge.errors import ForgeError
from forge.paths import LOCKFILES
from forge.progress import Step, say
from forge.sources import pypi
from forge.sources.moves import Move, moves
from forge.sources.uvlock import BUILD_MACHINE, Job, NoSolutionError, compile_lock

SITE = LOCKFILES / "site.in"

SITE_SECTIONS = ("base", "jupyterhubenv", "notebook")

JOBS = (
    Job("forge", BUILD_MACHINE),
    Job("jupyterhubenv"),
    Job("base"),
    Job("notebook"),
    Job("tests"),
    Job("recipes", with_dependencies=False),
    Job("names", with_dependencies=False),
)
"""Each takes the versions of those before it: one project, one version, one package in the channel. Only ``forge`` is
resolved for the build machine, and binds no environment of the target."""


def read_site(path: Path | None = None) -> dict[str, str]:
    """The requirement lines of each section of the site's file.

    Raises:
        ForgeError: a section that is no environment, or a requirement above the first section; with its line.
    """
    path = path or SITE
    sections = dict.fromkeys(SITE_SECTIONS, "")
    current = ""
    for number, line in enumerate(path.read_text().splitlines() if path.is_file() else [], start=1):
        text = line.partition("#")[0].strip()
        header = re.fullmatch(r"\[(.*)]", text)
        if header:
            current = header[1].strip()
        elif not text:
            continue
        if current not in sections:
            raise ForgeError(
                f"{path.name}, line {number}: {text!r} is not in one of the sections {', '.join(SITE_SECTIONS)}",
                "Write the name of an environment in square brackets above the requirements.",
            )
        if not header:
            sections[current] += f"{text}\n"
    return sections


def lock(name: str | None = None) -> list[Move]:
    """Resolves the requirement files again.

    Args:
        name: the project that may move, with what it needs, in every file; or the file that is resolved anew beside
            the others; everything where it is ``None``.

    Raises:
        ForgeError: there is no solution, or an index does not answer.
    """
    site = read_site()
    before = _versions()
    alone = [job for job in JOBS if job.name == name]
    with Step("lock PyPI", len(alone or JOBS)) as step:
        for job in alone or JOBS:
            step.now(job.name)
            others = JOBS if alone else JOBS[: JOBS.index(job)]
            binding = _binding(job, others)
            moving = None if alone else name
            if moving is None or _is_touched(job, site.get(job.name, ""), binding, moving):
                _resolve(job, site.get(job.name, ""), binding, moving)
            step.done(job.name)
    return moves(before, _versions())


def _resolve(job: Job, site: str, binding: Mapping[str, str], alone: str | None) -> None:
    """Resolves one file; no version moves back where there is a solution without that.

    A resolver takes an older version without a word when an index hides the newest one for a moment, which has been
    seen; and uv, told what is locked, prefers an older version that has a better wheel. So all that is to stay is a
    constraint.

    Args:
        alone: the project that may move; what it needs may move with it, but not back.
    """
    shared = [f"{name}=={version}" for name, version in binding.items()]
    stay = [text for name, text in _locked(job.name) if name not in binding and name != canonicalize_name(alone or "")]
    floors = [text.replace("==", ">=", 1) for text in stay]
    if alone:
        try:
            compile_lock(job, pypi.FOLDER, site, shared + stay)
        except NoSolutionError:
            try:
                compile_lock(job, pypi.FOLDER, site, shared + floors)
            except NoSolutionError as error:
                raise NoSolutionError(
                    f"{alone} has no solution in which no other project moves back: {error}",
                    "Where an index hid a file for a moment, run it again; 'make lock' may move everything.",
                ) from error
    elif job.platform == BUILD_MACHINE:
        compile_lock(job, pypi.FOLDER, site, shared)
    else:
        try:
            compile_lock(job, pypi.FOLDER, site, shared + floors)
        except NoSolutionError as error:
            say(f"{job.name}.in has no solution without moving a version back: {error}")
            compile_lock(job, pypi.FOLDER, site, shared)


def _locked(env: str) -> list[tuple[str, str]]:
    """Each requirement of the lock, without hashes, after the project's name."""
    path = pypi.FOLDER / f"{env}.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    texts = [line.rstrip("\\ ") for line in lines if line[:1].isalnum()]
    return [(canonicalize_name(re.split(r"[=\[ ]", text)[0]), text) for text in texts]


def _binding(job: Job, others: Iterable[Job]) -> dict[str, str]:
    """The versions that ``job`` takes from ``others``."""
    if job.platform == BUILD_MACHINE:
        return {}
    # conda-lock and Node are the build tool's own; in no other file do its pins bind.
    binding = _versions_of("forge") if job.name == "recipes" else {}
    for other in others:
        if other.platform != BUILD_MACHINE and other.name != job.name:
            binding.update(_versions_of(other.name))
    return binding


def knows(name: str) -> bool:
    """Whether ``name`` is a requirement file, or a project that one names or pins."""
    if name in {job.name for job in JOBS}:
        return True
    return canonicalize_name(name) in {key.partition("/")[2] for key in _versions()} | _named()


def _named() -> set[str]:
    """The projects that the requirement files and the site's file name."""
    site = read_site()
    return {name for job in JOBS for name in _names_of(job, site.get(job.name, ""))}


def _names_of(job: Job, site: str) -> set[str]:
    """The projects that one requirement file, and the site's section for it, name."""
    lines = ((pypi.FOLDER / f"{job.name}.in").read_text() + site).splitlines()
    names = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines)
    return {canonicalize_name(match[0]) for match in names if match}


def _is_touched(job: Job, site: str, binding: Mapping[str, str], moving: str) -> bool:
    """Whether a file can be another one when the project ``moving`` moves: it has it, or shares what has moved."""
    locked = _versions_of(job.name)
    if canonicalize_name(moving) in locked.keys() | _names_of(job, site):
        return True
    return any(binding.get(name, version) != version for name, version in locked.items())


def _versions() -> Mapping[str, str]:
    """Every pin, as ``ENV/NAME``."""
    return {f"{job.name}/{name}": version for job in JOBS for name, version in _versions_of(job.name).items()}


def _versions_of(env: str) -> dict[str, str]:
    return {pin.name: pin.version for pin in pypi.read_lock(env)} if (pypi.FOLDER / f"{env}.txt").is_file() else {}
