"""Which requirement files there are, in which order they are resolved, and how they agree on what they share."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from forge.errors import ForgeError
from forge.paths import LOCKFILES
from forge.progress import Step, say
from forge.sources import pypi, requirements
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
    """The lines of each section of the site's file, at their places: the lines of other sections are empty.

    Raises:
        ForgeError: a section that is no environment, a requirement above the first section, or a line that is no
            requirement; with its line.
    """
    path = path or SITE
    texts = path.read_text().splitlines() if path.is_file() else []
    sections = {name: [""] * len(texts) for name in SITE_SECTIONS}
    current = ""
    for number, text in requirements.lines("\n".join(texts)):
        header = re.fullmatch(r"\[(.*)]", text)
        if header:
            current = header[1].strip()
        if current not in sections:
            raise ForgeError(
                f"{path.name}, line {number}: {text!r} is not in one of the sections {', '.join(SITE_SECTIONS)}",
                "Write the name of an environment in square brackets above the requirements.",
            )
        if not header:
            sections[current][number - 1] = text
    found = {name: "".join(f"{line}\n" for line in lines) for name, lines in sections.items()}
    for section in found.values():
        requirements.parse(section, path.name)
    return found


def check(env: str) -> None:
    """Checks that the lock of ``env`` pins what ``env.in`` and the site ask for.

    Raises:
        ForgeError: something was added or changed and not locked since; with its name.
    """
    job = next(job for job in JOBS if job.name == env)
    pins = {pin.name: pin.version for pin in pypi.read_lock(env)}
    for file, requirement in _asked(job, read_site().get(env, "")):
        version = pins.get(canonicalize_name(requirement.name))
        if requirements.holds(requirement) and not (version and requirement.specifier.contains(version, True)):
            raise ForgeError(
                f"{file} asks for {requirement}, and {env}.txt pins {version or 'no version of it'}",
                f"Lock it: make lock NAME={requirement.name}",
            )


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
    return {canonicalize_name(requirement.name) for _, requirement in _asked(job, site)}


def _asked(job: Job, site: str) -> list[tuple[str, Requirement]]:
    """The requirements of one requirement file and of the site's section for it, each after its file's name."""
    path = pypi.FOLDER / f"{job.name}.in"
    texts = {path.name: path.read_text(), SITE.name: site}
    return [(file, requirement) for file, text in texts.items() for requirement in requirements.parse(text, file)]


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
