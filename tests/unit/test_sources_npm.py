"""npm: a tree made from a lock without addresses, by whichever registry npm is set up with."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.errors import ForgeError
from forge.sources import npm
from forge.sources.cache import HashMismatchError, UnreachableError
from tests.unit.sources_mirrors import hanging, integrity, make_tar, serving

PACKAGE = make_tar({"package/package.json": '{"name": "demo", "version": "1.2.3"}', "package/index.js": "1\n"})


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "locks")
    (tmp_path / "locks" / "demo").mkdir(parents=True)
    manifest = {"name": "demo-tree", "private": True, "dependencies": {"demo": "~1.2.0"}}
    (tmp_path / "locks" / "demo" / "package.json").write_text(json.dumps(manifest))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder behind a registry that has demo 1.2.3, and that npm is set up with."""
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "demo.tgz").write_bytes(PACKAGE)
    with serving(folder) as (url, _):
        dist = {"tarball": f"{url}/demo.tgz", "integrity": integrity(PACKAGE)}
        versions = {"1.2.3": {"name": "demo", "version": "1.2.3", "dist": dist}}
        (folder / "demo").write_text(
            json.dumps({"name": "demo", "dist-tags": {"latest": "1.2.3"}, "versions": versions})
        )
        monkeypatch.setenv("npm_config_registry", url)
        yield folder


def test_the_lock_holds_hashes_and_no_address(registry: Path) -> None:
    assert [str(move) for move in npm.lock("demo")] == ["npm/demo/demo: new -> 1.2.3"]
    text = (npm.FOLDER / "demo" / "package-lock.json").read_text()
    assert integrity(PACKAGE) in text
    assert "http" not in text
    assert npm.tree_of("demo").version == "1.2.3"


def test_the_tree_is_the_same_bytes_each_time_and_comes_from_the_cache_after_that(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm.lock("demo")
    npm.stage("demo", tmp_path / "first")
    first = tmp_path / "first" / "upstream" / "demo.tar"
    with tarfile.open(first) as tar:
        files = {member.name: (member.uid, member.mtime) for member in tar if member.isfile()}
    assert files == {"node_modules/demo/index.js": (0, 0), "node_modules/demo/package.json": (0, 0)}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
    assert npm.fetch(npm.tree_of("demo")).read_bytes() == first.read_bytes()
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty"))
    assert npm.fetch(npm.tree_of("demo")).read_bytes() == first.read_bytes()


def test_another_file_under_the_locked_name_stops_the_build(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm.lock("demo")
    other = make_tar({"package/package.json": '{"name": "demo", "version": "1.2.3"}', "package/index.js": "2\n"})
    (registry / "demo.tgz").write_bytes(other)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty"))
    with pytest.raises(HashMismatchError) as error:
        npm.fetch(npm.tree_of("demo"))
    for part in ("demo", integrity(PACKAGE), integrity(other)):
        assert part in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_a_hanging_registry_is_given_up_and_named(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm.lock("demo")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty"))
    with hanging() as url:
        monkeypatch.setenv("npm_config_registry", url)
        with pytest.raises(UnreachableError, match=url):
            npm.fetch(npm.tree_of("demo"), patience=1)


def test_a_tree_that_is_not_locked_is_said() -> None:
    with pytest.raises(ForgeError, match="npm tree demo is not locked"):
        npm.tree_of("demo")
