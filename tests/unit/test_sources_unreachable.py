"""Mirrors that hang, directly or behind a proxy: a bounded wait, then the mirror's name, and nobody's password."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from forge.errors import ForgeError
from forge.paths import ROOT
from forge.sources import npm, pypi, uvlock
from forge.sources.apt import Apt
from forge.sources.cache import UnreachableError
from forge.sources.pipindex import PipIndex
from tests.unit.sources_debian import TARGET, Machine
from tests.unit.sources_mirrors import hanging, use_pip_index

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
PIN = pypi.Pin(canonicalize_name("demo"), "1.0", frozenset({"aa"}))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's way out is a proxy that accepts and never answers; its host and port."""
    use_pip_index(monkeypatch, "https://index.example/simple")
    with hanging() as url:
        for name in PROXIES:
            monkeypatch.setenv(name, url.replace("://", "://user:secret@"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield url.removeprefix("http://")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pip_behind_a_proxy_that_hangs(scheme: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{scheme}://index.example/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.example")
    with pytest.raises(
        UnreachableError, match=rf"demo 1\.0 could not be looked up on {scheme}://index\.example"
    ) as error:
        pypi.fetch([PIN], "fetch", PipIndex(patience=0.2))
    assert "secret" not in str(error.value)


def test_pip_with_a_plain_http_index_that_it_does_not_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    use_pip_index(monkeypatch, "http://index.example/simple")
    with pytest.raises(UnreachableError, match=r"index\.example is not a trusted or secure host"):
        pypi.fetch([PIN], "fetch")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_npm_behind_a_proxy_that_hangs(
    scheme: str, proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", f"{scheme}://registry.example")
    for name, content in {"package.json": {"dependencies": {"demo": "1.2.3"}}, "package-lock.json": LOCKED}.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UnreachableError, match=rf"{scheme}://registry\.example.* through the proxy http.*{proxy}"):
        npm.fetch(npm.Tree("demo", tmp_path), patience=1)


LOCKED = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"demo": "1.2.3"}},
        "node_modules/demo": {"version": "1.2.3", "integrity": "sha512-" + "A" * 86 + "=="},
    },
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_apt_behind_a_proxy_that_hangs(scheme: str, proxy: str, tmp_path: Path) -> None:
    apt = Apt(tmp_path / "apt", TARGET, patience=1)
    apt.set_up(*Machine(tmp_path / "etc").use(f"{scheme}://mirror.example/debian", tmp_path / "key.gpg"))
    for attempt in (apt.update, lambda: apt.download("pool/main/d/demo/demo_1.2.tar.gz", tmp_path / "file")):
        with pytest.raises(UnreachableError, match=rf"{scheme}://mirror\.example/debian") as error:
            attempt()
        assert "secret" not in str(error.value)


@pytest.fixture(params=["directly", "behind a proxy"])
def index(request: pytest.FixtureRequest, proxy: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """pip's index hangs, or the proxy before it; the host (and port) that a message has to name."""
    if request.param == "behind a proxy":
        return "index.example"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@{proxy}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return proxy


def test_a_lock_from_an_index_that_hangs(index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "1")
    (tmp_path / "env.in").write_text("demo\n")
    with pytest.raises(ForgeError, match=r"env\.in could not be locked") as error:
        uvlock.compile_lock(uvlock.Job("env"), tmp_path, "", [])
    assert f"/{index}/simple" in str(error.value) or f"@{index}/simple" in str(error.value)
    assert "secret" not in str(error.value)


def test_the_build_tools_from_an_index_that_hangs(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "1")
    done = subprocess.run(["sh", "forge/bootstrap.sh", "lock"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: pip could not install the locked tools of " in done.stderr
    assert f"{index}/simple" in done.stderr
    assert "secret" not in done.stderr
