"""All recipes, in the order of their dependencies, each at most once: what was built before lies in the cache."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import ParamSpec

from forge import condapkg, dates, sources
from forge.errors import ForgeError
from forge.files import sha256_of, tree_digest
from forge.paths import cache_dir
from forge.progress import Step
from forge.recipes import zig
from forge.recipes.recipe import Recipe
from forge.recipes.run import Job, Runner

P = ParamSpec("P")

FORMAT = 3
"""Part of every key: raised when this package makes other bytes of the same recipe."""

DIGITS = 7
"""How many digits of a key stand in the build string, as conda-build has it (``h`` and seven)."""

GRACE = 3.0
"""Seconds that stopped builds have to clean up behind themselves."""

AT_ONCE = 3
"""Builds running at the same time: most of a build, its configure script and its tests, keeps one core busy at most."""


def build_all(
    recipes: Mapping[str, Recipe],
    names: Iterable[str],
    *,
    packages: Sequence[Path] = (),
    version: str,
    epoch: int,
    frozen: bool = False,
) -> dict[str, list[Path]]:
    """Builds recipes, and the recipes that they need, or takes them from the cache.

    Args:
        recipes: every recipe that there is, by name.
        names: those that are wanted.
        packages: further ``.conda`` files (converted wheels) that recipes may name in their requirements.
        version: the release's, which some of our own code has too.
        epoch: the release's date, in seconds since 1970, for the packages that have its version.
        frozen: a Debian version that the mirror no longer holds is an error, instead of moving forward.

    Returns:
        The packages of each recipe, in the cache. Their names say name, version and build.

    Raises:
        ForgeError: a source can't be had; a recipe names a package that nothing provides, or needs itself; a build or
            a test fails: the message has the recipe, what failed, the end of the log, and where the log is.
    """
    given = _by_name(packages)
    wanted = _closure(names, recipes, given)
    builds = _Builds(recipes, given, version, epoch, frozen)
    try:
        with Step("Building packages", len(wanted)) as step:
            _run(wanted, builds, Runner(), step)
    except CycleError as error:
        raise ForgeError(f"Recipes need each other in a circle: {' → '.join(error.args[1])}") from None
    return {name: list(builds.done[name].packages) for name in wanted}


def _by_name(packages: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for package in packages:
        name, _, _ = package.name.removesuffix(".conda").rsplit("-", 2)
        found.setdefault(name, []).append(package)
    return found


def _closure(
    names: Iterable[str], recipes: Mapping[str, Recipe], given: Mapping[str, object]
) -> dict[str, frozenset[str]]:
    """The wanted recipes and those that they need, each with the recipes that it needs itself."""
    makers = {output: recipe.name for recipe in recipes.values() for output in recipe.outputs}
    needs: dict[str, frozenset[str]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in needs:
            continue
        if name not in recipes:
            raise ForgeError(f"There is no recipe {name}", f"There are: {', '.join(recipes)}.")
        missing = sorted(need for need in recipes[name].needs if need not in makers and need not in given)
        if missing:
            raise ForgeError(
                f"The recipe {name} needs what no recipe and no locked wheel provides: {', '.join(missing)}",
                "Add a recipe, or lock the project in lockfiles/pypi/.",
            )
        needs[name] = frozenset(makers[need] for need in recipes[name].needs if need in makers)
        waiting += needs[name]
    return needs


def _run(wanted: Mapping[str, frozenset[str]], builds: "_Builds", runner: Runner, step: Step) -> None:
    """Builds ``wanted``, ``AT_ONCE`` at a time, first what most others wait for."""
    order = TopologicalSorter(wanted)
    order.prepare()
    weight = _dependents(wanted)
    ready: list[str] = []
    running: dict[Future[None], str] = {}
    try:
        while order.is_active():
            ready += order.get_ready()
            ready.sort(key=lambda name: (-weight[name], name))
            while ready and len(running) < AT_ONCE:
                name = ready.pop(0)
                step.now(name)
                running[_started(builds.build, name, wanted[name], runner)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                future.result()
                step.done(name)
                order.done(name)
    finally:
        runner.stop()
        wait(running, GRACE)


def _started(work: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> Future[None]:
    """``work`` in a thread that nobody has to wait for: one that a mirror keeps waiting dies with the process."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work(*arguments, **named)
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _dependents(needs: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """How many recipes wait for each, directly or not."""
    above: dict[str, set[str]] = {name: set() for name in needs}
    for name in TopologicalSorter(needs).static_order():
        for need in needs[name]:
            above[need].add(name)
    for name in reversed(list(TopologicalSorter(needs).static_order())):
        above[name].update(*(above[other] for other in set(above[name])))
    return {name: len(others) for name, others in above.items()}


@dataclass(frozen=True)
class _Done:
    """A built recipe: the key of its inputs, and its packages in the cache."""

    key: str
    packages: tuple[Path, ...]


@dataclass
class _Builds:
    """What one call of ``build_all`` knows."""

    recipes: Mapping[str, Recipe]
    given: Mapping[str, list[Path]]
    version: str
    epoch: int
    frozen: bool
    done: dict[str, _Done] = field(default_factory=dict)
    _staging: threading.Lock = field(default_factory=threading.Lock)

    def build(self, name: str, needs: frozenset[str], runner: Runner) -> None:
        """Puts the packages of a recipe, all of whose needs are built, into the cache, unless they are there."""
        recipe = self.recipes[name]
        key = self._key(recipe, self._described(recipe))
        if not (cache_dir("packages") / key).is_dir():
            with runner.workplace(name) as place:
                staged = self._staged(recipe, place.sources)
                key = self._key(recipe, staged)
                target = cache_dir("packages") / key
                if not target.is_dir():
                    job = Job(
                        recipe=recipe,
                        channel=self._channel(needs),
                        version=staged.version,
                        digest=key[:DIGITS],
                        epoch=staged.date,
                    )
                    runner.run(job, place, target)
        self.done[name] = _Done(key, tuple(sorted((cache_dir("packages") / key).glob("*.conda"))))

    def _described(self, recipe: Recipe) -> sources.Described:
        if recipe.origin:
            return sources.describe(recipe.origin)
        return sources.Described(self.version if recipe.follows_release else "", "")

    def _staged(self, recipe: Recipe, folder: Path) -> sources.Staged:
        if recipe.origin:
            with self._staging:  # one at a time: a Debian pin may move, and is then written down
                return sources.stage(recipe.origin, folder, self.frozen)
        described = self._described(recipe)
        date = self.epoch if recipe.follows_release else dates.EARLIEST
        return sources.Staged(described.version, described.digest, folder, date)

    def _key(self, recipe: Recipe, described: sources.Described) -> str:
        """The sha256 over everything that decides the bytes of a recipe's packages."""
        inputs = [self.done[other].key for other in sorted(self.recipes) if self._makes_input(other, recipe)]
        inputs += [sha256_of(path) for name in sorted(recipe.inputs) for path in self.given.get(name, [])]
        parts = [
            f"format {FORMAT} {condapkg.ZSTD_LEVEL} {condapkg.PLACEHOLDER}",
            f"builder {zig.distribution_version('py-rattler-build')}",
            f"zig {zig.distribution_version('ziglang')}" if zig.PACKAGE in recipe.inputs else "",
            f"tree {tree_digest(recipe.folder, *recipe.include)}",
            f"variants {sha256_of(recipe.variants)}",
            f"source {described.digest} {described.version}",
            *inputs,
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _makes_input(self, other: str, recipe: Recipe) -> bool:
        return bool(recipe.inputs & {*self.recipes[other].outputs})

    def _channel(self, needs: frozenset[str]) -> list[Path]:
        """What a build and its tests may install: all that was given, and what its needs, and theirs, have made."""
        reached: set[str] = set()
        waiting = list(needs)
        makers = {output: name for name, recipe in self.recipes.items() for output in recipe.outputs}
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [makers[need] for need in self.recipes[name].needs if need in makers]
        built = [path for name in sorted(reached) for path in self.done[name].packages]
        return built + [path for paths in self.given.values() for path in paths]
