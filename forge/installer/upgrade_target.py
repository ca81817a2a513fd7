"""What each environment is to hold: the release's packages as locked, and what the administrator has added."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from link import Environment, Package, Release, stem_of  # type: ignore[import-not-found]
from rattler import Channel, MatchSpec, PrefixRecord, RepoDataRecord, SparseRepoData, VirtualPackage, solve
from rattler.exceptions import SolverError
from upgrade_state import Place, earlier  # type: ignore[import-not-found]


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
