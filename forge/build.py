"""The whole way from locked sources to the installer, arrow by arrow; what has not changed is not done again."""

import hashlib
import os
import pwd
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import rattler

from forge import channel, construct, environments, locks, recipes, release, sources, wheels
from forge.construct import Construct
from forge.errors import ForgeError
from forge.files import sha256_of, tree_digest, write_text
from forge.installer.assemble import INDEXER, Plan, assemble
from forge.installer.carried import Environment
from forge.locking import alone, in_use, is_in_use, locked
from forge.paths import CHANNEL, CONSTRUCT, DIST, PUBLISHED, ROOT, cache_dir, public_dir, work_dir
from forge.progress import say
from forge.recipes import Recipe
from forge.sources import debian, pypilock
from forge.target import SERIES
from forge.wheels.names import Names

PYTHON = f"python {SERIES}.*"
"""The target's interpreter, which also makes the byte code of the converted wheels."""

ENVIRONMENTS = ("base", "jupyterhubenv")
"""The PyPI locks whose projects go into the channel."""

TESTS = "tests"
"""The PyPI lock of what the server-side tests need beside a hub."""


def make_channel(frozen: bool = False) -> Path:
    """Adds every package that this checkout makes, and its environments' locks, to ``dist/channel``.

    Raises:
        ForgeError: as for ``make_installer``, or a name that is published already would get other bytes.
    """
    plan = construct.read(CONSTRUCT)
    with alone():
        environments_of(plan, frozen)
        add_to_channel(plan)
    return PUBLISHED


def make_installer(frozen: bool = False) -> Path:
    """Makes ``dist/hub-installer.sh`` and its ``.sha256``, and writes down in ``lockfiles/`` what it carries.

    Raises:
        ForgeError: a source can't be had, a package can't be built, the environments can't be solved, or the installer
            can't be put together.
    """
    plan = construct.read(CONSTRUCT)
    with alone():
        return installer_of(plan, environments_of(plan, frozen), frozen)


def environments_of(plan: Construct, frozen: bool) -> tuple[Environment, ...]:
    """Makes every package (``dist/packages``), and solves what the installer carries out of them."""
    _make_packages(plan, frozen)
    return tuple(_environment(spec.name, spec.specs) for spec in plan.environments)


def installer_of(plan: Construct, carried: tuple[Environment, ...], frozen: bool) -> Path:
    """Puts the installer together, unless it is there already."""
    target = DIST / plan.filename
    inputs = _installer_inputs(plan, carried)
    stamp = DIST / f".{plan.filename}.inputs"
    if not (target.exists() and stamp.exists() and stamp.read_text() == inputs):
        stamp.unlink(missing_ok=True)
        assemble(_installer_plan(plan, carried), target, frozen)
        write_text(stamp, inputs)
        say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.0f} MB")
    return target


def make_installer_of(file: Path, packages: Path, folder: Path) -> Path:
    """An installer of what another ``construct.yaml`` asks for, out of the channel ``packages``, in ``folder``.

    Raises:
        ForgeError: the file can't be used, the channel can't fulfil it, or the installer can't be put together.
    """
    plan = construct.read(file)
    target = folder / plan.filename
    records = {spec: environments.solve(spec.specs, [packages]) for spec in plan.environments}
    carried = tuple(_carried(spec.name, spec.specs, found) for spec, found in records.items())
    assemble(_installer_plan(plan, carried), target)
    return target


def add_to_channel(plan: Construct) -> None:
    """Adds the packages that were made last, and the locks that were written last, to the published channel."""
    files = [
        path
        for spec in plan.environments
        for path in (locks.explicit_path(spec.name), locks.conda_lock_path(spec.name))
    ]
    files.append(debian.LOCK)  # whose patches the notes of the next release compare with
    texts = {f"{locks.PUBLISHED}/{plan.version}/{path.name}": path.read_text() for path in files}
    channel.add(sorted(CHANNEL.glob("*/*.conda")), PUBLISHED, texts)
    say(f"{PUBLISHED.relative_to(ROOT)}: release {plan.version} is in it, and what was there before")


@contextmanager
def test_environment() -> Iterator[Path]:
    """A prefix with the hub's environment, out of our own channel, and what its tests need beside it."""
    plan = construct.read(CONSTRUCT)
    with ExitStack() as stack:
        with alone():
            extra = work_dir("channel-tests")
            channel.publish(Factory(plan.version, frozen=False).packages((*ENVIRONMENTS, TESTS)), extra)
            wanted = [f"{release.METAPACKAGE} {plan.version}", *locked_names(TESTS)]
            records = environments.solve(wanted, [CHANNEL, extra])
            prefix = stack.enter_context(_linked(public_dir(TESTS, pwd.getpwuid(os.geteuid())), records))
        yield prefix


def _make_packages(plan: Construct, frozen: bool) -> None:
    """Makes ``dist/packages`` hold every package that the installer's environments can need."""
    packages = Factory(plan.version, frozen).packages(ENVIRONMENTS)
    unpinned = work_dir("channel-unpinned")
    channel.publish(packages, unpinned)
    pins = environments.solve(release.requirements(), [unpinned])
    base = [spec for spec in plan.environments[0].specs if spec.split()[0] != release.BASE]
    base_pins = environments.solve(base, [unpinned])
    metapackages = release.metapackage(plan.version, pins), release.base_metapackage(plan.version, base_pins)
    channel.publish([*packages, *metapackages], CHANNEL)


@dataclass(frozen=True)
class Factory:
    """Makes packages out of locked sources, for one release."""

    version: str
    frozen: bool

    @cached_property
    def epoch(self) -> int:
        """The date of what has the release's version, in seconds since 1970."""
        return release.epoch(self.version)

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Every recipe that is built as it stands: all but the metapackage, whose pins come last."""
        return {name: recipe for name, recipe in recipes.load_all().items() if name != release.METAPACKAGE}

    def packages(self, pypi: Sequence[str]) -> list[Path]:
        """All recipes' packages, and those of every project that the PyPI locks ``pypi`` name, in the cache."""
        files = self._fetch(pypi)
        compiled = self._build(self._foundation())
        with self._python(compiled) as prefix:
            converted = wheels.convert_all(
                files,
                python=prefix / "bin" / "python",
                python_version=_version_of("python", compiled),
                names=sources.fetch_env("names")["conda-pypi"],
                skip=self._compiled_projects(),
            )
        return [*self._build(list(self.recipes), converted), *converted]

    def _build(self, names: Sequence[str], packages: Sequence[Path] = ()) -> list[Path]:
        built = recipes.build_all(
            self.recipes, names, packages=packages, version=self.version, epoch=self.epoch, frozen=self.frozen
        )
        return [package for made in built.values() for package in made]

    def _fetch(self, pypi: Sequence[str]) -> dict[str, Path]:
        """The locked files by PyPI name; a project that two locks name has one version."""
        files: dict[str, Path] = {}
        for name in pypi:
            pypilock.check(name)
            for project, file in sources.fetch_env(name).items():
                if files.setdefault(project, file) != file:
                    raise ForgeError(
                        f"the locks {', '.join(pypi)} name {project} twice: {files[project].name} and {file.name}",
                        "Lock them together: make lock",
                    )
        return files

    def _foundation(self) -> list[str]:
        """The recipes that need no converted wheel: with them the target's Python can be linked."""
        makers = {output: recipe for recipe in self.recipes.values() for output in recipe.outputs}
        standing = dict(self.recipes)
        while True:
            lacking = [
                name
                for name, recipe in standing.items()
                if any(need not in makers or makers[need].name not in standing for need in recipe.needs)
            ]
            if not lacking:
                return list(standing)
            for name in lacking:
                del standing[name]

    def _compiled_projects(self) -> list[str]:
        """The PyPI projects whose packages recipes make, whichever registry these take the source from."""
        origins = [recipe.origin for recipe in self.recipes.values() if recipe.origin]
        return [origin.name for origin in origins if origin.registry == "pypi"]

    def _python(self, packages: Sequence[Path]) -> AbstractContextManager[Path]:
        """A prefix with the target's Python."""
        folder = work_dir("channel-python")
        channel.publish(packages, folder)
        return _linked(cache_dir("build") / "python", environments.solve([PYTHON], [folder]))


def _environment(name: str, specs: tuple[str, ...]) -> Environment:
    """Solves an environment and writes its locks; says what has moved since they were written last.

    What its PyPI lock pins and its specs do not reach, which is what the site added, is installed too.
    """
    records = environments.solve(specs, [CHANNEL])
    reached = {record.name.normalized for record in records}
    locked = locked_names(name) if name in ENVIRONMENTS else []
    if added := [package for package in locked if package not in reached]:
        specs = (*specs, *added)
        records = environments.solve(specs, [CHANNEL])
    before = locks.read(name)
    locks.write(name, specs, records)
    for line in release.changes(before, locks.read(name)) if before else ():
        say(f"lockfiles, {name}: {line}")
    return _carried(name, specs, records)


def _carried(name: str, specs: tuple[str, ...], records: Sequence[rattler.RepoDataRecord]) -> Environment:
    return Environment(name, specs, tuple(environments.package_file(record) for record in records))


def _installer_plan(plan: Construct, carried: tuple[Environment, ...]) -> Plan:
    return Plan(
        name=plan.name,
        version=plan.version,
        epoch=release.epoch(plan.version),
        license_text=plan.license_file.read_text(),
        default_prefix=plan.default_prefix,
        channel_name=plan.condarc["channels"][0],
        channel_url=plan.channel,
        condarc=construct.condarc_text(plan),
        environments=carried,
        post_install=plan.post_install.read_text(),
    )


def _installer_inputs(plan: Construct, carried: Iterable[Environment]) -> str:
    """A digest over everything that decides the installer's bytes."""
    files = sorted({path for environment in carried for path in environment.packages})
    lines = [
        tree_digest(ROOT / "forge" / "installer", INDEXER, CONSTRUCT, plan.license_file, plan.post_install),
        construct.condarc_text(plan),
        *(f"{environment.name} {environment.specs} {len(environment.packages)}" for environment in carried),
        *(f"{path.name} {sha256_of(path)}" for path in files),
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@contextmanager
def _linked(folder: Path, records: Sequence[rattler.RepoDataRecord]) -> Iterator[Path]:
    """A prefix below ``folder`` that holds ``records``, linked once; it stays there for the block.

    Those of other packages are removed, unless another build, of this checkout or another one, uses them.
    """
    key = hashlib.sha256("\n".join(record.sha256.hex() for record in records if record.sha256).encode()).hexdigest()
    prefix = folder / key[:16]
    with ExitStack() as stack:
        with locked(folder / ".lock", f"another build links a prefix in {folder}; waiting"):
            if not _complete(prefix).exists():
                for other in folder.iterdir():
                    if other.is_dir() and not is_in_use(_complete(other)):
                        shutil.rmtree(other)
                environments.link(records, prefix)
                _complete(prefix).touch()
            stack.enter_context(in_use(_complete(prefix)))
        yield prefix


def _complete(prefix: Path) -> Path:
    """The file that says that a prefix is all there."""
    return prefix / "conda-meta" / "complete"


def locked_names(env: str) -> list[str]:
    """The conda names of the projects that the PyPI lock ``env`` pins."""
    names = Names.from_wheel(sources.fetch_env("names")["conda-pypi"])
    return [names.conda(pin.name) for pin in sources.read_lock(env)]


def _version_of(name: str, packages: Iterable[Path]) -> str:
    """The version of the package ``name`` among files called ``name-version-build.conda``."""
    for package in packages:
        found, version, _ = package.name.rsplit("-", 2)
        if found == name:
            return version
    raise ForgeError(f"no recipe makes the package {name}", "Add one to recipes/.")
