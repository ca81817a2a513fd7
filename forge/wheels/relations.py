"""What the solver shall know about the package made of a wheel: dependencies, platform, ABI."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from forge.errors import ForgeError
from forge.target import GLIBC_FLOOR, SUBDIR, Target, glibc_of, marker_environment
from forge.wheels.metadata import Wheel
from forge.wheels.names import Names
from forge.wheels.specs import conda_spec

_OLDEST_MINOR, _NEWEST_MINOR = 8, 20


@dataclass(frozen=True)
class Universe:
    """Everything that a dependency can be met by."""

    wheels: Mapping[str, Wheel]
    """By canonical PyPI name; extras are looked up here."""
    recipes: Collection[str]
    """Canonical PyPI names of what recipes build."""
    names: Names
    target: Target


@dataclass(frozen=True)
class Relations:
    """``depends`` and ``subdir`` as in ``info/index.json``; ``build`` begins the build string: ``py`` or ``py313``."""

    depends: tuple[str, ...]
    subdir: str
    build: str


def relations(wheel: Wheel, universe: Universe) -> Relations:
    """What the package made of ``wheel`` depends on.

    Markers are evaluated for the target, extras are expanded. A ``noarch`` package has the Python range that its
    dependencies are right for; one with files for this Python alone has conda-forge's pins.

    Raises:
        ForgeError: a requirement that nothing in ``universe`` meets.
    """
    names, target = universe.names, universe.target
    needed = _requirements(wheel, universe)
    depends = [f"{names.conda(name)} {conda_spec(spec, str(wheel.name))}".strip() for name, spec in needed.items()]
    if wheel.noarch:
        python = wheel.requires_python & _python_range(wheel, universe)
        depends.append(f"python {conda_spec(python, str(wheel.name))}".strip())
        return Relations(tuple(sorted(depends)), "noarch", "py")
    depends.append(target.python_pin)
    if any(tag.abi == target.abi for tag in wheel.tags):
        depends.append(f"python_abi {target.series}.* *_{target.abi}")
    major, minor = min((glibc for tag in wheel.tags if (glibc := glibc_of(tag.platform))), default=GLIBC_FLOOR)
    depends.append(f"__glibc >={major}.{minor}")
    return Relations(tuple(sorted(depends)), SUBDIR, f"py3{target.minor}")


def _requirements(wheel: Wheel, universe: Universe) -> dict[NormalizedName, SpecifierSet]:
    """The requirements in force, one entry a project, sorted."""
    needed: dict[NormalizedName, SpecifierSet] = {}
    for asked, requirement in _in_force(wheel, universe.wheels, universe.target.markers):
        name = canonicalize_name(requirement.name)
        if name != wheel.name:
            _check(wheel, asked, requirement, universe)
            needed[name] = needed.get(name, SpecifierSet()) & requirement.specifier
    return dict(sorted(needed.items()))


def _in_force(
    wheel: Wheel, wheels: Mapping[str, Wheel], environment: Mapping[str, str]
) -> Iterator[tuple[Wheel, Requirement]]:
    """The requirements in force and whose they are: the wheel's, and those behind the extras that they ask for."""
    seen = {(str(wheel.name), "")}
    pending = [(wheel, "")]
    while pending:
        asked, extra = pending.pop()
        for requirement in asked.requirements:
            if not _holds(requirement, extra, environment):
                continue
            yield asked, requirement
            name = canonicalize_name(requirement.name)
            for wanted in map(canonicalize_name, requirement.extras):
                if name in wheels and (name, wanted) not in seen:
                    seen.add((name, wanted))
                    pending.append((wheels[name], wanted))


def _holds(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    """Whether the requirement is one of ``extra`` (and not one anyway); without ``extra``, whether it holds anyway."""
    if requirement.marker is None:
        return not extra
    anyway = requirement.marker.evaluate({**environment, "extra": ""})
    if not extra:
        return anyway
    return not anyway and requirement.marker.evaluate({**environment, "extra": extra})


def _check(wheel: Wheel, asked: Wheel, requirement: Requirement, universe: Universe) -> None:
    name = canonicalize_name(requirement.name)
    through = "" if asked is wheel else f" (through an extra of {asked.name})"
    who = f"{wheel.name} {wheel.version}"
    if requirement.url:
        raise ForgeError(f"{who} wants {name} from an address{through}, not from a registry.", "Write a recipe for it.")
    if name not in universe.wheels and name not in universe.recipes:
        raise ForgeError(
            f"{who} needs {requirement.name}{through}, which is neither locked nor built by a recipe.",
            "Lock the environment again (make lock), or write a recipe for it.",
        )
    if requirement.extras and name not in universe.wheels:
        raise ForgeError(
            f"{who} needs {name}[{','.join(sorted(requirement.extras))}], but {name} is built by a recipe, "
            "so what its extras stand for is unknown.",
            f"Write a recipe for {wheel.name} as well.",
        )


def _python_range(wheel: Wheel, universe: Universe) -> SpecifierSet:
    """The Python series that the target's dependencies are right for.

    A marker such as ``python_version < "3.11"`` makes one ``noarch`` package wrong for other series.
    """
    target, wheels = universe.target, universe.wheels
    asked = {wheel.name: wheel} | {other.name: other for other, _ in _in_force(wheel, wheels, target.markers)}
    if not any("python_" in str(requirement.marker) for other in asked.values() for requirement in other.requirements):
        return SpecifierSet()

    def outcome(environment: Mapping[str, str]) -> frozenset[tuple[str, SpecifierSet]]:
        return frozenset((r.name, r.specifier) for _, r in _in_force(wheel, wheels, environment))

    here = outcome(target.markers)

    def first_other(minors: Sequence[int]) -> int | None:
        for minor in minors:
            if any(outcome(marker_environment(f"3.{minor}.{patch}")) != here for patch in (0, 99)):
                return minor
        return None

    below = first_other(range(target.minor - 1, _OLDEST_MINOR - 1, -1))
    above = first_other(range(target.minor + 1, _NEWEST_MINOR + 1))
    bounds = [f">=3.{below + 1}"] if below is not None else []
    return SpecifierSet(",".join(bounds + ([f"<3.{above}.0a0"] if above is not None else [])))
