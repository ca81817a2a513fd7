"""What pip, npm and apt know of passwords on this machine is used, and seen nowhere: not by ``ps``, not in any file."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from forge.sources import npm, pypi, uvlock
from forge.sources.apt import Apt
from forge.sources.cache import UnreachableError
from tests.unit.sources_debian import TARGET, Machine
from tests.unit.sources_mirrors import integrity, make_tar, publish, serving, sha256, use_pip_index
from tests.unit.wheels_factory import wheel_bytes

SECRET = "hush-6YbQ"
BASIC = "Basic " + base64.b64encode(f"user:{SECRET}".encode()).decode()
WHEEL = wheel_bytes("demo", "1.0")
PIN = pypi.Pin(canonicalize_name("demo"), "1.0", frozenset({sha256(WHEEL[1])}))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))


@contextmanager
def nobody_sees_it(folder: Path) -> Iterator[None]:
    """Looks at every command line of the machine for as long as the block runs, and at every file that it leaves."""
    done, seen = threading.Event(), set[str]()

    def watch() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if SECRET in line:
                    seen.add(line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert seen == set()
    files = [path for name in ("home", "tmp", "out") for path in (folder / name).rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def with_login(url: str) -> str:
    return url.replace("://", f"://user:{SECRET}@")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index that wants a password; its address."""
    publish(tmp_path / "mirror", "demo", dict([WHEEL]))
    with serving(tmp_path / "mirror", BASIC) as (url, _):
        yield f"{url}/simple"


def fetch_and_lock(folder: Path) -> None:
    pypi.fetch([PIN], "fetch")
    (folder / "out").mkdir()
    (folder / "out" / "env.in").write_text("demo\n")
    uvlock.compile_lock(uvlock.Job("env"), folder / "out", "", [])


def test_pips_address_with_a_password(index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_pip_index(monkeypatch, with_login(index))
    with nobody_sees_it(tmp_path):
        fetch_and_lock(tmp_path)


def test_netrc(index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_pip_index(monkeypatch, index)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login user password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with nobody_sees_it(tmp_path):
        fetch_and_lock(tmp_path)


def test_a_wrong_password_is_not_shown(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_pip_index(monkeypatch, index.replace("://", "://user:wrong-one@"))
    with pytest.raises(UnreachableError, match="401") as error:
        pypi.fetch([PIN], "fetch")
    assert "wrong-one" not in str(error.value)


def test_npms_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    data = make_tar({"package/package.json": '{"name": "demo", "version": "1.2.3"}'})
    (folder / "demo.tgz").write_bytes(data)
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "out")
    (tmp_path / "out" / "demo").mkdir(parents=True)
    (tmp_path / "out" / "demo" / "package.json").write_text(json.dumps({"dependencies": {"demo": "1.2.3"}}))
    with serving(folder, f"Bearer {SECRET}") as (url, _):
        dist = {"tarball": f"{url}/demo.tgz", "integrity": integrity(data)}
        versions = {"1.2.3": {"name": "demo", "version": "1.2.3", "dist": dist}}
        (folder / "demo").write_text(
            json.dumps({"name": "demo", "dist-tags": {"latest": "1.2.3"}, "versions": versions})
        )
        (tmp_path / "npmrc").write_text(f"registry={url}\n{url.removeprefix('http:')}/:_authToken={SECRET}\n")
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "home" / "npm"))
        with nobody_sees_it(tmp_path):
            npm.lock("demo")
            npm.fetch(npm.tree_of("demo"))


def test_the_password_in_an_address_of_apts_sources(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file").write_text("content")
    with serving(tmp_path / "mirror", BASIC) as (url, _):
        apt = Apt(tmp_path / "home" / "apt", TARGET, patience=5)
        apt.set_up(*Machine(tmp_path / "etc").use(with_login(url), tmp_path / "key.gpg"))
        with nobody_sees_it(tmp_path):
            apt.download("file", tmp_path / "tmp" / "file")
            with pytest.raises(UnreachableError) as error:
                apt.update()
    assert (tmp_path / "tmp" / "file").read_text() == "content"
    assert SECRET not in str(error.value)
    assert apt.mirrors == [url]


def test_apts_own_file_of_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file").write_text("content")
    with serving(tmp_path / "mirror", BASIC) as (url, _):
        (tmp_path / "auth").write_text(f"machine {url} login user password {SECRET}\n")
        (tmp_path / "machine.conf").write_text(f'Dir::Etc::netrc "{tmp_path}/auth";\n')  # for /etc/apt/auth.conf.d
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "machine.conf"))
        apt = Apt(tmp_path / "home" / "apt", TARGET, patience=5)
        apt.set_up(*Machine(tmp_path / "etc").use(url, tmp_path / "key.gpg"))
        with nobody_sees_it(tmp_path):
            apt.download("file", tmp_path / "tmp" / "file")
    assert (tmp_path / "tmp" / "file").read_text() == "content"
