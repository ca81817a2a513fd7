"""A recipe folder, read for what decides the order of builds: what it makes, and what it needs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forge.errors import ForgeError
from forge.paths import RECIPES, ROOT
from forge.sources import Origin

VARIANTS = "variants.yaml"

_VERSION = "HUBFORGE_VERSION"

_COMPILER = re.compile(r"""\$\{\{ *(?:compiler|stdlib)\(["'](\w+)["']\) *\}\}""")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Recipe:
    """A folder with a ``recipe.yaml`` (rattler-build's v1 format).

    Attributes:
        folder: where it is.
        outputs: the names of the packages that it makes.
        origin: the lock entry that it is built from; None where the code is ours.
        follows_release: whether its version is the release's; other code of ours has a version of its own.
        include: folders of the checkout, beside its own, that go into its packages.
        inputs: the names of the packages that its build scripts see (requirements ``build`` and ``host``).
        needs: the names of all packages that have to be there: inputs, and what its packages and their tests run with.
    """

    folder: Path
    outputs: tuple[str, ...]
    origin: Origin | None
    follows_release: bool
    include: tuple[Path, ...]
    inputs: frozenset[str]
    needs: frozenset[str]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def variants(self) -> Path:
        """The file that says what its compilers are: one for all recipes of a folder."""
        return self.folder.parent / VARIANTS

    @classmethod
    def load(cls, folder: Path, compilers: Mapping[str, str]) -> "Recipe":
        """Reads ``folder``.

        Args:
            compilers: the package of each language's compiler.

        Raises:
            ForgeError: ``recipe.yaml`` is missing or can't be read, or a requirement is written in a way that the
                order of builds can't be read from.
        """
        path = folder / "recipe.yaml"
        document = _yaml(path)
        parts = [document, *document.get("outputs", [])]
        outputs = tuple(part["package"]["name"] for part in parts if "package" in part)
        reader = _Requirements(path, compilers)
        inputs = frozenset(name for part in parts for name in reader.of(part, "build", "host"))
        running = frozenset(name for part in parts for name in (*reader.of(part, "run"), *reader.of_tests(part)))
        hubforge = dict(document.get("extra", {}).get("hubforge", {}))
        include = tuple(ROOT / name for name in hubforge.pop("include", []))
        origin = Origin.parse(hubforge) if hubforge else None
        return cls(
            folder=folder,
            outputs=outputs,
            origin=origin,
            follows_release=origin is None and _VERSION in path.read_text(),
            include=include,
            inputs=inputs - {*outputs},
            needs=(inputs | running) - {*outputs},
        )


@dataclass(frozen=True)
class _Requirements:
    """Reads the package names out of a recipe's requirements."""

    path: Path
    compilers: Mapping[str, str]

    def of(self, part: Mapping[str, Any], *sections: str) -> Iterator[str]:
        """The names that ``part`` requires in ``sections``."""
        requirements = part.get("requirements", {})
        for section in sections:
            yield from self._names(requirements.get(section, []))

    def of_tests(self, part: Mapping[str, Any]) -> Iterator[str]:
        """The names that the tests of ``part`` require."""
        for test in part.get("tests", []):
            yield from self.of(test, "build", "run")

    def _names(self, specs: Iterable[str]) -> Iterator[str]:
        for spec in specs:
            if compiler := _COMPILER.fullmatch(spec):
                yield self.compilers[compiler[1]]
            elif spec.startswith("${{ pin_subpackage("):
                continue  # one of its own outputs
            elif name := _NAME.match(spec):
                yield name[0].lower()
            elif not spec.startswith("__"):  # __glibc and the like are of the server
                raise ForgeError(
                    f"{self.path}: the requirement {spec!r} does not name a package",
                    "Write a package's name, a compiler or pin_subpackage.",
                )


def load_all(folder: Path = RECIPES) -> dict[str, Recipe]:
    """Every recipe below ``folder`` that has something to build, by name.

    Raises:
        ForgeError: a recipe can't be read, or two make the same package.
    """
    compilers = compiler_packages(folder)
    recipes = [Recipe.load(path.parent, compilers) for path in sorted(folder.glob("*/recipe.yaml"))]
    makers: dict[str, Recipe] = {}
    for recipe in recipes:
        for output in recipe.outputs:
            other = makers.setdefault(output, recipe)
            if other is not recipe:
                raise ForgeError(f"The recipes {other.name} and {recipe.name} both make the package {output}")
    return {recipe.name: recipe for recipe in recipes}


def compiler_packages(folder: Path) -> dict[str, str]:
    """The package of each language's compiler, as ``variants.yaml`` chooses."""
    variants = _yaml(folder / VARIANTS)
    return {
        key.removesuffix("_compiler"): f"{values[0]}_linux-64"
        for key, values in variants.items()
        if key.endswith("_compiler")
    }


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = YAML(typ="safe").load(path)
    except (OSError, YAMLError) as error:
        raise ForgeError(f"{path} can't be read: {error}") from error
    if not isinstance(document, dict):
        raise ForgeError(f"{path} holds no mapping")
    return document
