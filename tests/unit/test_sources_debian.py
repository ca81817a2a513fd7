"""Debian: the machine's own sources as another release, signed indices, pins that vanish, security patches."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forge import build, cli
from forge.errors import ForgeError
from forge.installer import build_helper
from forge.recipes import load_all
from forge.sources import Origin, debian
from forge.sources.apt import Apt
from forge.sources.aptsources import Entry, as_deb822, derive, parse_deb822, parse_one_line
from forge.sources.cache import HashMismatchError, UnreachableError
from tests.unit import installer_stub
from tests.unit.sources_debian import DIRECTORY, TARGET, Machine, Mirror
from tests.unit.sources_mirrors import hanging, make_tar, sha256

CVE_PATCH = "Description: fix\n--- a/configure\n+++ b/configure\n@@ -1 +1 @@\n-of 1.2\n+of 1.2, fixed\n"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    # gpg's agent listens on a socket in this folder, whose path may not be long
    mirror = Mirror(Path(), tmp_path_factory.mktemp("gpg") / "home")
    mirror.make_key()
    return mirror


@pytest.fixture
def mirror(tmp_path: Path, keys: Mirror) -> Mirror:
    return Mirror(tmp_path / "mirror", keys.keys)


@pytest.fixture
def apt(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apt]:
    """apt of a machine that uses the mirror; ``demo`` is the one package to lock, in a lock of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "LOCK", tmp_path / "debian.json")
    monkeypatch.setattr(debian, "SOURCES", (debian.Source("demo", "1.2"),))
    private = Apt(tmp_path / "apt", TARGET, patience=1)
    private.set_up(*Machine(tmp_path / "etc").use(f"file:{mirror.folder}", mirror.keyring))
    monkeypatch.setattr(Apt, "of_machine", classmethod(lambda cls, suite: private))
    yield private


def locked_version() -> str:
    return str(json.loads(debian.LOCK.read_text())["packages"]["demo"]["version"])


def test_the_newest_version_of_the_series_is_locked_with_hashes_and_no_address(apt: Apt, mirror: Mirror) -> None:
    for version in ("1.2-1", "1.2-1+deb13u2", "1.2-1+deb13u1", "1.3-1"):
        mirror.publish(version)
    assert [str(move) for move in debian.lock()] == ["demo: new -> 1.2-1+deb13u2"]
    pin, files = debian.fetch("demo")
    assert sorted(files) == ["demo_1.2-1+deb13u2.debian.tar.xz", "demo_1.2.orig.tar.gz"]
    assert (pin.upstream, pin.digest) == ("1.2", debian.pin_of("demo").digest)
    assert str(mirror.folder) not in debian.LOCK.read_text()
    assert not any(path.is_symlink() for path in files.values())


def test_a_fetched_pin_needs_no_mirror(apt: Apt, mirror: Mirror) -> None:
    mirror.publish("1.2-1")
    debian.lock()
    mirror.drop("1.2-1")
    assert sorted(debian.fetch("demo", frozen=True)[1]) == ["demo_1.2-1.debian.tar.xz", "demo_1.2.orig.tar.gz"]


@pytest.fixture
def vanished(apt: Apt, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pin at 1.2-1 that nobody has fetched here, and that the mirror no longer holds."""
    mirror.publish("1.2-1")
    debian.lock()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
    mirror.drop("1.2-1")


@pytest.mark.usefixtures("vanished")
def test_a_vanished_pin_falls_forward_says_so_and_is_recorded(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.publish("1.2.1-1")
    mirror.publish("1.3-1")
    pin, files = debian.fetch("demo")
    assert pin.version == locked_version() == "1.2.1-1"
    assert "demo_1.2.1.orig.tar.gz" in files
    assert "demo moves from 1.2-1 to 1.2.1-1" in capsys.readouterr().err


@pytest.mark.usefixtures("vanished")
def test_a_vanished_pin_that_is_frozen_is_refused(mirror: Mirror) -> None:
    mirror.publish("1.2.1-1")
    with pytest.raises(ForgeError, match=r"demo 1\.2-1 is pinned and frozen"):
        debian.fetch("demo", frozen=True)
    assert locked_version() == "1.2-1"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``demo`` is all that there is to build."""
    folder = tmp_path / "recipes"
    (folder / "demo").mkdir(parents=True)
    (folder / "variants.yaml").write_text("c_compiler: [zig]\n")
    (folder / "demo" / "recipe.yaml").write_text("package: {name: demo}\nextra: {hubforge: {debian: demo}}\n")
    monkeypatch.setattr("forge.recipes.load_all", lambda: load_all(folder))
    monkeypatch.setattr("forge.sources.fetch_env", lambda env: {})


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All packages are there; the installer's helper remains to be compiled, out of ``demo``."""
    plan = installer_stub.plan(tmp_path / "packages")
    monkeypatch.setattr(build, "_make_packages", lambda plan, frozen: None)
    monkeypatch.setattr(build, "_environment", lambda name, specs: plan.environments[0])
    monkeypatch.setattr(build, "_installer_plan", lambda *_: plan)
    monkeypatch.setattr(build, "DIST", tmp_path)
    monkeypatch.setattr(build_helper, "ZSTD", Origin("debian", "demo"))


@pytest.mark.usefixtures("vanished")
@pytest.mark.parametrize(
    ("command", "what"),
    [("channel", "recipe"), ("installer", "recipe"), ("image", "recipe"), ("installer", "installer")],
)
def test_frozen_holds_for_all_that_is_built_of_debians_sources(
    command: str, what: str, mirror: Mirror, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(what)
    mirror.publish("1.2.1-1")
    refused = CliRunner().invoke(cli.app, [command, "--frozen"]).exception
    assert isinstance(refused, ForgeError)
    assert "demo 1.2-1 is pinned and frozen" in str(refused)
    assert locked_version() == "1.2-1"


@pytest.mark.usefixtures("vanished", "installer")
def test_a_moved_source_of_the_helper_is_another_helper(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = "Description: fix\n--- a/configure\n+++ b/configure\n@@ -1 +1 @@\n-of 1.2.1\n+of 1.2.1, fixed\n"
    mirror.publish("1.2.1-1", {"CVE-2026-0001.patch": patch})
    compiled = []

    def compiler(source: Path, target: Path) -> None:
        compiled.append((source / "configure").read_text())
        target.write_text("a program")

    monkeypatch.setattr(build_helper, "compile_helper", compiler)
    monkeypatch.setattr(build_helper, "ZSTD_LICENSE", "configure")
    made = build_helper.helper()
    assert (locked_version(), compiled) == ("1.2.1-1", ["of 1.2.1, fixed\n"])
    assert build_helper.helper(frozen=True) == made, "it is found where it was put"
    assert len(compiled) == 1


@pytest.mark.usefixtures("vanished")
def test_a_vanished_pin_never_falls_back(mirror: Mirror) -> None:
    mirror.publish("1.2-0")
    mirror.publish("1.3-1")
    with pytest.raises(ForgeError, match=r"no newer demo 1\.2"):
        debian.fetch("demo")
    assert locked_version() == "1.2-1"


@pytest.mark.usefixtures("vanished")
def test_nothing_falls_forward_to_an_index_that_is_not_signed(apt: Apt, mirror: Mirror) -> None:
    mirror.publish("1.2.1-1")
    signed = mirror.folder / "dists" / TARGET / "InRelease"
    signed.write_text(signed.read_text().replace("Date: Sat", "Date: Sun"))
    with pytest.raises(ForgeError):
        debian.fetch("demo")
    assert locked_version() == "1.2-1"


def test_an_index_that_names_a_lost_version_gives_the_next_older(apt: Apt, mirror: Mirror) -> None:
    mirror.publish("1.2-1")
    mirror.publish("1.2.1-1")
    mirror.drop("1.2.1-1")
    debian.lock()
    assert locked_version() == "1.2-1"


def test_a_changed_pool_file_stops_the_build(
    apt: Apt, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.publish("1.2-1")
    debian.lock()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))
    changed = mirror.folder / DIRECTORY / "demo_1.2.orig.tar.gz"
    changed.write_bytes(make_tar({"demo-1.2/configure": "of somebody else\n"}))
    with pytest.raises(HashMismatchError) as error:
        debian.fetch("demo")
    assert changed.name in str(error.value)
    assert sha256(changed.read_bytes()) in str(error.value)
    assert locked_version() == "1.2-1"


def test_security_patches_are_staged_in_order(apt: Apt, mirror: Mirror, tmp_path: Path) -> None:
    patches = {"layout.patch": "--- a/x\n", "sec/CVE-2026-0001.patch": CVE_PATCH, "follow-up.patch": "--- a/y\n"}
    mirror.publish("1.2-1+deb13u1", patches)
    debian.lock()
    debian.stage("demo", tmp_path / "staged")
    folder = tmp_path / "staged" / "debian-patches"
    assert (folder / "series").read_text() == "sec-CVE-2026-0001.patch\nfollow-up.patch\n"
    assert (folder / "sec-CVE-2026-0001.patch").read_text() == CVE_PATCH
    assert [path.name for path in (tmp_path / "staged" / "upstream").iterdir()] == ["demo.tar.gz"]


def test_a_hanging_mirror_is_given_up_and_named(apt: Apt, mirror: Mirror, tmp_path: Path) -> None:
    with hanging() as url:
        apt.set_up(*Machine(tmp_path / "etc").use(url, mirror.keyring))
        with pytest.raises(UnreachableError, match=url):
            apt.update()
        with pytest.raises(UnreachableError, match=url):
            apt.download(f"{DIRECTORY}/demo_1.2.orig.tar.gz", tmp_path / "file")


def test_a_machine_without_a_debian_mirror_is_told(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "other.list").write_text("deb http://other.example/apt stable main\n")
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    with pytest.raises(ForgeError, match="no source for bookworm"):
        Apt(tmp_path / "apt", TARGET).set_up(tmp_path / "sources.list", parts, tmp_path / "os-release")


def test_another_distribution_is_told(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    with pytest.raises(ForgeError, match="not a release of Debian"):
        Apt(tmp_path / "apt", TARGET).set_up(tmp_path / "sources.list", tmp_path, tmp_path / "os-release")


def test_one_line_sources_become_source_entries_of_the_other_release() -> None:
    text = (
        "# deb http://commented.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/x.gpg trusted=yes] http://m.example/debian/ bookworm main x\n"
        "deb-src http://m.example/debian bookworm main # twice\n"
        "deb http://m.example/security bookworm-security main\n"
        "deb http://m.example/debian bookworm-backports main\n"
        "deb http://other.example/apt stable main\n"
    )
    assert derive(list(parse_one_line(text)), "bookworm", "trixie") == [
        Entry(("http://m.example/debian",), ("trixie",), ("main",), (("signed-by", "/keys/x.gpg"),)),
        Entry(("http://m.example/security",), ("trixie-security",), ("main",)),
    ]


def test_deb822_sources_keep_their_key_and_lose_what_switches_verification_off() -> None:
    text = (
        "Types: deb deb-src\nURIs: http://m.example/debian\n# a comment\nSuites: bookworm bookworm-updates\n"
        "Components: main non-free\nTrusted: yes\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n"
        "\nEnabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    entries = derive(list(parse_deb822(text)), "bookworm", "trixie")
    assert as_deb822(entries, "deb").startswith("Types: deb\nURIs: http://m.example/debian\n")
    assert as_deb822(entries) == (
        "Types: deb-src\nURIs: http://m.example/debian\nSuites: trixie trixie-updates\nComponents: main\n"
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n"
    )


def test_a_mirror_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "mirrors").write_text("# near\nhttp://a.example/debian\tpriority:1\nhttp://b.example/debian/\n")
    entry = Entry((f"mirror+file:{tmp_path}/mirrors",), ("bookworm",), ("main",))
    assert derive([entry], "bookworm", "trixie")[0].uris == ("http://a.example/debian", "http://b.example/debian")


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("1:1.3.dfsg+really1.3.1-1+deb13u1", "1.3.1"),
        ("1.5.7+dfsg-1", "1.5.7"),
        ("3.5.7-1~deb13u2", "3.5.7"),
        ("6.5+20250216-2", "6.5.20250216"),
        ("20250419+deb13u1", "20250419"),
        ("2026c-0+deb13u1", "2026c"),
    ],
)
def test_the_upstream_version_is_what_the_conda_package_has(version: str, upstream: str) -> None:
    assert debian.upstream_version(version) == upstream
