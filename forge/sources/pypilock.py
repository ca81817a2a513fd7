"""Which requirement files there are, in which order they are resolved, and how they agree on what they share."""

import re
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from forge.errors import ForgeError
from forge.paths import LOCKFILES
from forge.progress import Step
from forge.sources import pypi
from forge.sources.moves import Move, moves
from forge.sources.uvlock import BUILD_MACHINE, Job, compile_lock

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


def read_site(path: Path = SITE) -> dict[str, str]:
    """The requirement lines of each section of the site's file.

    Raises:
        ForgeError: a section that is no environment, or a requirement above the first section; with its line.
    """
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


def lock(upgrade: str | None = None) -> list[Move]:
    """Resolves every requirement file again.

    Args:
        upgrade: the project that may move, with what it needs; every one where it is ``None``.

    Raises:
        ForgeError: there is no solution, or an index does not answer.
    """
    site = read_site()
    before = _versions()
    binding: dict[str, str] = {}
    with Step("lock PyPI", len(JOBS)) as step:
        for job in JOBS:
            step.now(job.name)
            extra = _versions_of("forge") if job.name == "recipes" else {}
            constraints = {} if job.platform == BUILD_MACHINE else {**extra, **binding}
            compile_lock(job, pypi.FOLDER, site.get(job.name, ""), constraints, upgrade)
            if job.platform != BUILD_MACHINE:
                binding.update(_versions_of(job.name))
            step.done(job.name)
    return moves(before, _versions())


def knows(name: str) -> bool:
    """Whether a requirement file pins the project."""
    return canonicalize_name(name) in {key.partition("/")[2] for key in _versions()}


def _versions() -> Mapping[str, str]:
    """Every pin, as ``ENV/NAME``."""
    return {f"{job.name}/{name}": version for job in JOBS for name, version in _versions_of(job.name).items()}


def _versions_of(env: str) -> dict[str, str]:
    return {pin.name: pin.version for pin in pypi.read_lock(env)} if (pypi.FOLDER / f"{env}.txt").is_file() else {}
