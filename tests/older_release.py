"""A release before the one that is built: the same packages, but for a few small ones of another version."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import rattler

from forge import build, condapkg, construct, environments, release
from forge.condapkg import About, Index, Member
from forge.installer.assemble import assemble
from forge.installer.carried import Environment
from forge.paths import CHANNEL, CONSTRUCT
from tests.killing import MANY

VERSION = "2026.10"
CHANGED = {"hubctl": VERSION, "idna": "3.0", "jupyterhub-idle-culler": "1.9", MANY: "2.17"}
"""Packages that it has in another version; ``idna`` is in both environments."""

DROPPED = "only-before"
"""A package that the release after it has not."""

SETTINGS = "share/hubforge/config/hub.yaml"
"""The default of a settings file, which differs."""


def older_installer(folder: Path, small: bool = False) -> Path:
    """Writes the installer of the older release to ``folder``, its packages beside it.

    Args:
        small: without notebooks, which are half of the files.
    """
    plan = replace(construct.read(CONSTRUCT), version=VERSION)
    dropped = condapkg.write(
        folder / "noarch", Index(DROPPED, VERSION, "0"), [Member("share/only-before", b"before\n")], epoch=0
    )
    carried = []
    for spec in plan.environments:
        records = environments.solve(spec.specs, [CHANNEL])
        files = {record.name.normalized: environments.package_file(record) for record in records}
        if small and "hubctl" in files:
            files = _without_notebooks(folder, files)
        files |= {name: _changed(folder, files[name], version) for name, version in CHANGED.items() if name in files}
        specs = spec.specs
        if release.METAPACKAGE in files:
            files[DROPPED] = dropped
            pinned = [_record(folder, path) for name, path in files.items() if name != release.METAPACKAGE]
            files[release.METAPACKAGE] = release.metapackage(VERSION, pinned)
            specs = (f"{release.METAPACKAGE} {VERSION}",)
        if release.BASE in files:
            pinned = [_record(folder, path) for name, path in files.items() if name != release.BASE]
            files[release.BASE] = release.base_metapackage(VERSION, pinned)
            specs = (*(one for one in specs if one.split()[0] != release.BASE), f"{release.BASE} {VERSION}")
        carried.append(Environment(spec.name, specs, tuple(files.values())))
    target = folder / "older-installer.sh"
    assemble(build._installer_plan(plan, tuple(carried)), target)
    return target


def small_installer(folder: Path) -> Path:
    """Writes the installer of the release that is built to ``folder``, without notebooks."""
    plan = construct.read(CONSTRUCT)
    carried = []
    for spec in plan.environments:
        records = environments.solve(spec.specs, [CHANNEL])
        files = {record.name.normalized: environments.package_file(record) for record in records}
        if release.METAPACKAGE in files:
            files = _without_notebooks(folder, files)
            pinned = [_record(folder, path) for name, path in files.items() if name != release.METAPACKAGE]
            files[release.METAPACKAGE] = release.metapackage(plan.version, pinned)
        carried.append(Environment(spec.name, spec.specs, tuple(files.values())))
    target = folder / "small-installer.sh"
    assemble(build._installer_plan(plan, tuple(carried)), target)
    return target


def _without_notebooks(folder: Path, files: dict[str, Path]) -> dict[str, Path]:
    """Of the hub's packages those that hubctl needs, and hubctl as one that needs no JupyterLab."""
    hubctl = condapkg.read(files["hubctl"])
    needed = tuple(spec for spec in hubctl.index.depends if spec.split()[0] != "jupyterlab")
    kept = {record.name.normalized for record in environments.solve(needed, [CHANNEL])}
    made = _written(folder / "small", hubctl, replace(hubctl.index, depends=needed), hubctl.members())
    few = {name: path for name, path in files.items() if name in kept or name == release.METAPACKAGE}
    return few | {"hubctl": made}


def _changed(folder: Path, newest: Path, version: str) -> Path:
    """A package as it might have been: another version, one file more, another default of the settings."""
    package = condapkg.read(newest)
    members = [
        replace(member, data=b"# of the release before\n" + member.data) if member.path == SETTINGS else member
        for member in package.members()
    ]
    added = Member(f"share/older/{package.index.name}", b"before\n")
    return _written(folder, package, replace(package.index, version=version), [*members, added])


def _written(folder: Path, package: condapkg.Package, index: Index, members: Iterable[Member]) -> Path:
    """A package with another description and other files, and with the same commands."""
    noarch = json.loads(package.info.get("link.json", b"{}")).get("noarch", {})
    about, commands = About(summary="of a test's release"), noarch.get("entry_points", ())
    return condapkg.write(folder / index.subdir, index, members, epoch=0, about=about, entry_points=commands)


def _record(folder: Path, path: Path) -> rattler.RepoDataRecord:
    """A package's own description."""
    description = folder / "index.json"
    description.write_bytes(condapkg.read(path).info["index.json"])
    record = rattler.PackageRecord.from_index_json(description)
    return rattler.RepoDataRecord(record, path.name, path.as_uri(), path.parent.parent.as_uri())
