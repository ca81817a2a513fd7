"""A site's own library: from its line in ``lockfiles/site.in`` into the environment that it was written under."""

import json
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from forge import build, channel, condapkg, environments, image, locking, locks, wheels
from forge.condapkg import Index
from forge.sources import pypi, pypilock, uvlock
from forge.wheels.names import MAPPING
from tests.unit.sources_mirrors import publish, serving, use_pip_index
from tests.unit.wheels_factory import wheel_bytes


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with three environments that ask for one project each, locked before the site wrote anything down."""
    folder = tmp_path / "lockfiles"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pypi, "FOLDER", folder)
    monkeypatch.setattr(pypilock, "SITE", folder / "site.in")
    monkeypatch.setattr(pypilock, "JOBS", tuple(map(uvlock.Job, pypilock.SITE_SECTIONS)))
    monkeypatch.setattr(locks, "LOCKFILES", folder)
    monkeypatch.setattr(locking, "DIST", tmp_path / "dist")
    monkeypatch.setattr(build, "CHANNEL", tmp_path / "channel")
    for env in pypilock.SITE_SECTIONS:
        (folder / f"{env}.in").write_text("own\n")
    return folder


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """conda-forge has the library under another name."""
    path = tmp_path / "conda_pypi-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MAPPING, json.dumps({"sitelib": {"conda_name": "python-sitelib"}}))
    return path


@pytest.mark.parametrize("env", pypilock.SITE_SECTIONS)
def test_a_line_of_the_site_ends_up_in_its_environment_with_what_it_needs(
    env: str, checkout: Path, names: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, requires in {"own": [], "sitelib": ["sitedep"], "sitedep": [], "never": []}.items():
        publish(tmp_path / "mirror", name, dict([wheel_bytes(name, "1.0", requires=requires)]))
    asked = "# ours\nSiteLib >=1  # the warehouse\nnever ; sys_platform == 'win32'\n"
    (checkout / "site.in").write_text(f"[{env}]\n{asked}")
    with serving(tmp_path / "mirror") as (url, _):
        use_pip_index(monkeypatch, f"{url}/simple")
        pypilock.lock()
        files = {name: build.Factory("2026.11", frozen=False)._fetch([name]) for name in pypilock.SITE_SECTIONS}
    here = platform.python_version()
    packages = wheels.convert_all(files[env], python=Path(sys.executable), python_version=here, names=names)
    packages.append(condapkg.write(tmp_path, Index("python", here, "0", subdir="linux-64"), [], epoch=0))
    channel.publish(packages, tmp_path / "channel")
    monkeypatch.setattr("forge.sources.fetch_env", lambda env: {"conda-pypi": names})
    if env == image.LOCK:
        monkeypatch.setattr(image, "EXTRA", ())
        monkeypatch.setattr(build, "PYTHON", "python")
        records = environments.solve(image._specs(), [tmp_path / "channel"])
        held = {record.name.normalized for record in records}
    else:
        build._environment(env, ("own",))
        held = set(locks.read(env))
    assert held == {"own", "python", "python-sitelib", "sitedep"}
    assert all(set(found) == {"own"} for name, found in files.items() if name != env)
