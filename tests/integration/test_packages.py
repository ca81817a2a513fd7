"""What holds for every package that the channel offers."""

import json
import re
import tempfile
from pathlib import Path

import pytest

from forge import build, condapkg, elf, image, locks, sources
from forge.paths import BUILDS, CHANNEL, ROOT, cache_dir, work_dir
from forge.recipes.run import PLACES
from forge.symbols import MAGIC, without_symbols
from forge.target import SUBDIRS, Target
from forge.wheels import metadata
from forge.wheels.bytecode import Compiler
from forge.wheels.layout import lay_out
from forge.wheels.sdist import FOLDER as SDIST_FOLDER

PUBLIC_CHANNELS = re.compile(rb"(conda|repo|api|binstar)\.(anaconda|continuum)\.(org|com|io)|anaconda\.org/conda-forge")

ENVIRONMENTS = (*build.ENVIRONMENTS, image.LOCK)

PACKAGES = sorted(CHANNEL.glob("*/*.conda"))

UPSTREAMS_HOME = "/root/"
"""Where most wheels on PyPI were compiled: nothing that holds it says anything of this machine."""

BUILD_PATHS = [
    *(PLACES.format(name=""), str(BUILDS / "hubforge-"), str(cache_dir("build").parent), str(ROOT)),
    f"{tempfile.gettempdir()}/{SDIST_FOLDER}",
    *({f"{Path.home()}/"} - {UPSTREAMS_HOME}),
]


@pytest.fixture(scope="module")
def image_packages(notebook_image: str) -> list[Path]:
    """The packages of the users' image that the channel does not offer."""
    offered = {package.name for package in PACKAGES}
    built = sorted(work_dir("channel-image").glob("*/*.conda"))
    wanted = {f"{name}-{rest.replace(' ', '-')}.conda" for name, rest in locks.read(image.LOCK).items()}
    return [package for package in built if package.name in wanted - offered]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.stem)
def test_it_runs_with_the_oldest_glibc_and_says_nothing_of_the_build_machine(package: Path) -> None:
    assert elf.problems(package, BUILD_PATHS) == []


def test_so_do_those_of_the_users_image(image_packages: list[Path]) -> None:
    assert [problem for package in image_packages for problem in elf.problems(package, BUILD_PATHS)] == []


def test_the_channel_holds_packages(image_packages: list[Path]) -> None:
    assert len(PACKAGES) > 100
    assert {"numpy", "pandas", "pyarrow", "pyspark"} <= {package.name.split("-")[0] for package in image_packages}


def test_packages_with_compiled_code_say_which_glibc_they_need(image_packages: list[Path]) -> None:
    silent = []
    for package in (*PACKAGES, *image_packages):
        read = condapkg.read(package)
        needed = [elf.inspect(m.data).glibc for m in read.members() if m.data.startswith(MAGIC)]
        if max(needed, default=(0, 0)) > (0, 0) and not any(d.startswith("__glibc ") for d in read.index.depends):
            silent.append(package.name)
    assert silent == []


def test_no_package_carries_symbols_that_only_debuggers_read(image_packages: list[Path]) -> None:
    carrying = [
        f"{package.name}: {member.path}"
        for package in (*PACKAGES, *image_packages)
        for member in condapkg.read(package).members()
        if member.data.startswith(MAGIC) and without_symbols(member.data) != member.data
    ]
    assert carrying == []


def test_every_package_that_is_installed_brings_its_licence(image_packages: list[Path]) -> None:
    installed = {name for environment in ENVIRONMENTS for name in locks.read(environment)}
    bare = [
        package.index.file_name
        for package in map(condapkg.read, (*PACKAGES, *image_packages))
        if package.index.name in installed and package.paths and not any("licenses/" in name for name in package.info)
    ]
    assert bare == []


def test_pythons_own_test_suite_is_left_out() -> None:
    (package,) = CHANNEL.glob("linux-64/python-3.13.*.conda")
    paths = [entry.path for entry in condapkg.read(package).paths]
    assert "lib/python3.13/ssl.py" in paths
    assert [path for path in paths if path.startswith("lib/python3.13/test/")] == []


def test_byte_code_does_not_depend_on_what_was_converted_before(prefix: Path) -> None:
    """That it does was seen with nbformat, after urllib3 in the same process of CPython 3.13."""
    python = prefix / "envs" / "jupyterhubenv" / "bin" / "python"
    (package,) = CHANNEL.glob("noarch/nbformat-*.conda")
    shipped = {m.path: m.data for m in condapkg.read(package).members() if m.path.endswith(".pyc")}
    target = Target(locks.read("jupyterhubenv")["python"].split()[0])
    file = sources.fetch_env("jupyterhubenv")["nbformat"]
    with Compiler(python) as compiler:
        alone = lay_out(metadata.read(file, file.parent.name, target), target, compiler).members
    assert len(shipped) > 20
    assert shipped == {path: member.data for path, member in alone.items() if path.endswith(".pyc")}


def test_conda_names_no_public_channel() -> None:
    (package,) = CHANNEL.glob("linux-64/conda-24.7.1-*.conda")
    named = [m.path for m in condapkg.read(package).members() if PUBLIC_CHANNELS.search(m.data)]
    assert named == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_conda_lock_reads_the_lock_and_it_names_files_of_the_channel_and_of_the_explicit_list(
    environment: str, request: pytest.FixtureRequest
) -> None:
    from conda_lock.lockfile import parse_conda_lock_file

    channel = CHANNEL
    if environment == image.LOCK:
        request.getfixturevalue("notebook_image")
        channel = work_dir("channel-image")
    lock = parse_conda_lock_file(locks.conda_lock_path(environment))
    records: dict[str, dict[str, str]] = {}
    for subdir in SUBDIRS:
        records |= json.loads((channel / subdir / "repodata.json").read_text())["packages.conda"]
    assert {p.url.rsplit("/", 1)[1]: p.hash.sha256 for p in lock.package}.items() <= {
        name: record["sha256"] for name, record in records.items()
    }.items()
    assert {p.name: f"{p.version} {p.build}" for p in lock.package} == locks.read(environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_the_pypi_lock_of_an_environment_pins_is_installed(environment: str) -> None:
    assert set(build.locked_names(environment)) - set(locks.read(environment)) == set()
