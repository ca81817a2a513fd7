"""Two small releases to go from one to the other with ``-u``, and what an administrator adds meanwhile."""

import asyncio
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rattler

from forge.condapkg import Index, Member
from forge.installer.assemble import Plan
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import run

HUB = "envs/jupyterhubenv"
SITE_PACKAGES = "lib/python3.13/site-packages"
DIST_INFO = "site-packages/speed_ups-{version}.dist-info/"


@dataclass(frozen=True)
class Releases:
    """Two releases, and where packages of the site lie."""

    folder: Path
    old: Path
    new: Path

    def added(self, name: str, *depends: str, noarch: bool = False, files: dict[str, str] | None = None) -> Path:
        """A package that is in no release."""
        members = [Member(path, text.encode()) for path, text in (files or {f"share/{name}": name}).items()]
        index = Index(name, "5.0", "site_0", depends=depends, noarch="python" if noarch else None)
        return stub.package(self.folder / "site", index, members)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return build(tmp_path_factory.mktemp("releases"))


def build(folder: Path, before_python: str = "") -> Releases:
    """2026.11 with demo 1.0, speed-ups 1 and a library that 2026.12 has not; 2026.12 with demo 2.0 and speed-ups 2."""
    old = stub.plan(folder / "packages", before_python)
    new = stub.newer(folder / "packages", old)
    plans = [as_released(plan, folder / "packages", number) for number, plan in enumerate((old, new), 1)]
    return Releases(folder, *(stub.build(folder, plan, f"{plan.version}.sh") for plan in plans))


def as_released(plan: Plan, folder: Path, number: int) -> Plan:
    """With the metapackage, and a Python project ``speed_ups`` whose many files differ from release to release."""
    files = [Member(f"site-packages/speed_ups/{number}/{file}.py", f"{file}\n".encode()) for file in range(400)]
    metadata = Member(f"{DIST_INFO.format(version=number)}METADATA", b"Name: speed_ups\n")
    installer = Member(f"{DIST_INFO.format(version=number)}INSTALLER", b"conda\n")
    index = Index("speed-ups", str(number), "py_0", noarch="python", depends=("python",))
    package = stub.package(folder, index, [*files, metadata, installer])
    metapackage = stub.package(folder, Index("hubforge", plan.version, "0"), [])
    base, hub = plan.environments
    return replace(plan, environments=(base, replace(hub, packages=(*hub.packages, package, metapackage))))


@pytest.fixture
def prefix(releases: Releases, tmp_path: Path) -> Path:
    """A prefix with 2026.11."""
    done = run(releases.old, "-bs", "-p", tmp_path / "prefix")
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "prefix"


def add(prefix: Path, *packages: Path) -> None:
    """Links packages into the hub's environment, as conda does."""

    async def link() -> None:
        records = [await rattler.RepoDataRecord.from_package_archive(path) for path in packages]
        present = [rattler.PrefixRecord.from_path(p) for p in (prefix / HUB / "conda-meta").glob("*.json")]
        names = {record.name.normalized for record in present}
        await rattler.install(
            [*present, *records],
            target_prefix=prefix / HUB,
            cache_dir=prefix / "pkgs",
            installed_packages=present,
            ignored_packages=names,
            show_progress=False,
        )

    asyncio.run(link())
    (prefix / HUB / "CACHEDIR.TAG").unlink()  # rattler's own


def add_by_pip(prefix: Path, name: str, version: str) -> None:
    """What ``pip install`` leaves of a project."""
    folder = prefix / HUB / SITE_PACKAGES / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "INSTALLER").write_text("pip\n")
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (folder.parent / f"{name}.py").write_text("pip's\n")


def installed(prefix: Path) -> dict[str, str]:
    """The packages of the hub's environment and their versions, as conda reads them."""
    records = [json.loads(path.read_text()) for path in (prefix / HUB / "conda-meta").glob("*.json")]
    return {record["name"]: record["version"] for record in records}


def tree(prefix: Path) -> dict[str, str]:
    """The installation's files; of the package cache, which keeps what releases before had, what is linked."""
    return {name: what for name, what in stub.tree(prefix).items() if not name.startswith(("pkgs/", ".hubforge/"))}


def new_tree(releases: Releases, prefix: Path) -> dict[str, str]:
    """The files of 2026.12 installed into nothing, in the same place."""
    assert run(releases.new, "-bs", "-p", prefix).returncode == 0
    found = tree(prefix)
    shutil.rmtree(prefix)
    return found


def is_complete(prefix: Path, version: str) -> bool:
    """Whether the prefix says of itself that all of this release is there, and nothing is left to do."""
    state = prefix / ".hubforge"
    names = {path.name for path in state.iterdir()}
    return names == {"installed.json"} and json.loads((state / "installed.json").read_text())["version"] == version


def back_through_conda(prefix: Path) -> None:
    """What ``conda install --revision`` leaves of 2026.12, as far as it matters here: the metapackage before."""
    record = prefix / HUB / "conda-meta/hubforge-2026.12-0.json"
    record.write_text(record.read_text().replace("2026.12", "2026.11"))
    record.rename(record.with_name("hubforge-2026.11-0.json"))
