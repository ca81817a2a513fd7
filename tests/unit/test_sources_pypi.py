"""PyPI: which file is taken, that it is the locked one, and what is said when it can't be had."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from forge import locking, sources
from forge.errors import ForgeError
from forge.sources import pypi, pypilock, uvlock
from forge.sources.cache import GoneError, HashMismatchError, UnreachableError
from forge.sources.pipindex import PipIndex, machine_options
from tests.unit.sources_mirrors import (
    hanging,
    make_sdist,
    publish,
    serving,
    sha256,
    use_pip_index,
)
from tests.unit.wheels_factory import wheel_bytes

ANY = wheel_bytes("demo", "1.0")
FLOOR = wheel_bytes("demo", "1.0", tag="cp313-cp313-manylinux_2_28_x86_64")
TOO_NEW = wheel_bytes("demo", "1.0", tag="cp313-cp313-manylinux_2_34_x86_64")
PLAIN_LINUX = wheel_bytes("demo", "1.0", tag="cp313-cp313-linux_x86_64")
OTHER_PYTHON = wheel_bytes("demo", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
STABLE_ABI = wheel_bytes("demo", "1.0", tag="cp39-abi3-manylinux2014_x86_64")
SDIST = make_sdist("demo", "1.0")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hubforge"


def pin_of(*files: tuple[str, bytes], source_only: bool = False) -> pypi.Pin:
    return pypi.Pin(canonicalize_name("demo"), "1.0", frozenset(sha256(data) for _, data in files), source_only)


def fetched(pin: pypi.Pin, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with serving(mirror) as (url, _):
        use_pip_index(monkeypatch, f"{url}/simple")
        return pypi.fetch([pin], "fetch")["demo"]


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([SDIST, ANY, FLOOR], FLOOR),
        ([SDIST, ANY, STABLE_ABI], STABLE_ABI),
        ([SDIST, TOO_NEW, PLAIN_LINUX, OTHER_PYTHON], SDIST),
        ([TOO_NEW, ANY], ANY),
    ],
)
def test_the_best_file_for_the_oldest_server_is_taken(
    offered: list[tuple[str, bytes]], taken: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "mirror", "demo", dict(offered))
    path = fetched(pin_of(*offered), tmp_path / "mirror", monkeypatch)
    assert (path.name, path.read_bytes()) == taken


def test_a_file_whose_hash_is_not_locked_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "mirror", "demo", dict([SDIST, ANY, FLOOR]))
    assert fetched(pin_of(SDIST), tmp_path / "mirror", monkeypatch).name == SDIST[0]


def test_a_recipe_that_patches_sources_gets_the_sdist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "mirror", "demo", dict([SDIST, ANY]))
    assert fetched(pin_of(SDIST, ANY, source_only=True), tmp_path / "mirror", monkeypatch).name == SDIST[0]


def test_a_warm_cache_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "mirror", "demo", dict([ANY]))
    first = fetched(pin_of(ANY), tmp_path / "mirror", monkeypatch)
    with serving(tmp_path / "mirror") as (url, requests):
        use_pip_index(monkeypatch, f"{url}/simple")
        assert pypi.fetch([pin_of(ANY)], "fetch")["demo"] == first
        assert requests == []


@pytest.mark.parametrize("with_hashes", [True, False], ids=["index with hashes", "index without hashes"])
def test_another_file_under_the_locked_name_stops_the_build(
    with_hashes: bool, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "mirror", "demo", {ANY[0]: b"something else"}, with_hashes)
    with pytest.raises(HashMismatchError) as error:
        fetched(pin_of(ANY), tmp_path / "mirror", monkeypatch)
    for part in (ANY[0], sha256(ANY[1]), sha256(b"something else")):
        assert part in str(error.value)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_file_damaged_on_the_way_stops_the_build(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "mirror", "demo", dict([ANY]))
    (tmp_path / "mirror" / "files" / ANY[0]).write_bytes(ANY[1][:-1])
    with pytest.raises(HashMismatchError, match=sha256(ANY[1][:-1])):
        fetched(pin_of(ANY), tmp_path / "mirror", monkeypatch)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_missing_project_names_it_and_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    with pytest.raises(GoneError, match=r"demo 1\.0 is not on http://127\.0\.0\.1:\d+/simple"):
        fetched(pin_of(ANY), tmp_path / "mirror", monkeypatch)


def test_a_hanging_index_is_given_up_and_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging() as url:
        use_pip_index(monkeypatch, url.replace("://", "://user:secret@") + "/simple")
        with pytest.raises(UnreachableError) as error:
            pypi.fetch([pin_of(ANY)], "fetch", PipIndex(patience=0.2))
    assert url.removeprefix("http://") in str(error.value)
    assert "secret" not in str(error.value)


def test_a_download_that_hangs_is_given_up_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging() as elsewhere:
        publish(tmp_path / "mirror", "demo", dict([ANY]))
        page = tmp_path / "mirror" / "simple" / "demo" / "index.html"
        page.write_text(page.read_text().replace("../../files", elsewhere))
        with serving(tmp_path / "mirror") as (url, _):
            use_pip_index(monkeypatch, f"{url}/simple")
            with pytest.raises(UnreachableError, match=ANY[0]):
                pypi.fetch([pin_of(ANY)], "fetch", PipIndex(patience=0.2))


def test_pins_are_read_with_their_hashes_markers_and_extras() -> None:
    text = (
        "# comment\n--no-binary demo\n\n"
        "demo[extra]==1.0 ; python_full_version < '3.14' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "    # via\n    #   -r x.in\nother-thing==2!1.0rc1 \\\n    --hash=sha256:cc\n"
    )
    assert pypi.parse_lock(text) == [
        pypi.Pin(canonicalize_name("demo"), "1.0", frozenset({"aa", "bb"}), source_only=True),
        pypi.Pin(canonicalize_name("other-thing"), "2!1.0rc1", frozenset({"cc"})),
    ]


def test_a_digest_changes_with_every_hash() -> None:
    assert pin_of(ANY).digest == pin_of(ANY).digest
    assert len({pin_of(ANY).digest, pin_of(ANY, SDIST).digest, pin_of(ANY, SDIST, source_only=True).digest}) == 3


def test_the_lock_holds_hashes_and_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed, user = wheel_bytes("needed", "2.0"), wheel_bytes("user", "1.0", requires=["needed"])
    publish(tmp_path / "mirror", "needed", dict([needed, wheel_bytes("needed", "3.0")]))
    publish(tmp_path / "mirror", "user", dict([user]))
    (tmp_path / "env.in").write_text("user\n")
    with serving(tmp_path / "mirror") as (url, _):
        use_pip_index(monkeypatch, url.replace("://", "://user:secret@") + "/simple")
        uvlock.compile_lock(uvlock.Job("env"), tmp_path, "", ["needed==2.0"])
    text = (tmp_path / "env.txt").read_text()
    assert {(pin.name, pin.version, pin.hashes) for pin in pypi.parse_lock(text)} == {
        ("needed", "2.0", frozenset({sha256(needed[1])})),
        ("user", "1.0", frozenset({sha256(user[1])})),
    }
    for word in ("http", "127.0.0.1", "secret", str(tmp_path)):
        assert word not in text


class Base:
    """A checkout whose only requirement file is ``base.in``, and the index that it is locked from."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.site = folder / "site.in"
        self.monkeypatch = monkeypatch
        (folder / "locks").mkdir()
        monkeypatch.setattr(pypi, "FOLDER", folder / "locks")
        monkeypatch.setattr(pypilock, "JOBS", (uvlock.Job("base"),))
        monkeypatch.setattr(pypilock, "SITE", self.site)
        monkeypatch.setattr(locking, "DIST", folder / "dist")

    def names(self, text: str) -> None:
        """Writes ``base.in``."""
        (self.folder / "locks" / "base.in").write_text(text)

    def offers(self, name: str, *versions: str, requires: str = "") -> None:
        """Makes the index have these versions of a project, and no other; nobody remembers what it had before."""
        needs = [requires] if requires else []
        wheels = [wheel_bytes(name.replace("-", "_"), version, requires=needs) for version in versions]
        publish(self.folder / "mirror", name, dict(wheels))
        self.monkeypatch.setenv("UV_CACHE_DIR", str(self.folder / f"uv-{time.monotonic_ns()}"))

    def pins(self) -> dict[str, str]:
        """The versions in ``base.txt``."""
        return {pin.name: pin.version for pin in pypi.read_lock("base")}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    (tmp_path / "mirror").mkdir()
    with serving(tmp_path / "mirror") as (url, _):
        use_pip_index(monkeypatch, f"{url}/simple")
        yield Base(tmp_path, monkeypatch)


def lock(name: str | None = None) -> list[str]:
    return [str(move) for move in pypilock.lock(name)]


def test_a_lock_does_not_tell_whether_one_project_was_locked_or_all() -> None:
    """uv says what holds a version down, beside who wants it, in as many lines as there are reasons."""
    for_all = "a==1 \\\n    --hash=sha256:aa\n    # via b\nc==1\n    # via\n    #   a\n    #   b\nd==2\n"
    for_one = (
        "a==1 \\\n    --hash=sha256:aa\n    # via\n    #   -c other.txt\n    #   b\n"
        "c==1\n    # via\n    #   -c other.txt\n    #   a\n    #   b\nd==2\n    # via -c other.txt\n"
    )
    assert uvlock.without_constraint_files(for_one) == uvlock.without_constraint_files(for_all) == for_all


def test_one_project_moves_alone(base: Base) -> None:
    base.names("first[extra]\nsecond ; python_version > '3'\n")
    for name in ("first", "second"):
        base.offers(name, "1.0")
    lock()
    for name in ("first", "second"):
        base.offers(name, "1.0", "2.0")
    assert lock("second") == ["base/second: 1.0 -> 2.0"]


def test_what_one_project_needs_moves_with_it(base: Base) -> None:
    base.names("needed\n")
    base.offers("needed", "1.0")
    lock()
    base.offers("needed", "1.0", "2.0")
    base.offers("wanted", "1.0", requires="needed>=2")
    base.site.write_text("[base]\nwanted\n")
    assert lock("wanted") == ["base/needed: 1.0 -> 2.0", "base/wanted: new -> 1.0"]


def test_names_that_cannot_go_together_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "mirror", "user", dict([wheel_bytes("user", "1.0", requires=["needed>2"])]))
    publish(tmp_path / "mirror", "needed", dict([wheel_bytes("needed", "3.0")]))
    (tmp_path / "env.in").write_text("user\n")
    with serving(tmp_path / "mirror") as (url, _):
        use_pip_index(monkeypatch, f"{url}/simple")
        with pytest.raises(ForgeError, match=r"env\.in could not be locked") as error:
            uvlock.compile_lock(uvlock.Job("env"), tmp_path, "", ["needed==2.0"])
    assert "needed" in str(error.value)
    assert not (tmp_path / "env.txt").exists()


def test_a_version_that_the_index_hides_for_a_while_is_not_lost_silently(
    base: Base, capsys: pytest.CaptureFixture[str]
) -> None:
    base.names("demo\n")
    base.offers("demo", "1.0", "2.0")
    assert lock() == ["base/demo: new -> 2.0"]
    base.offers("demo", "1.0")
    assert lock() == ["base/demo: 2.0 -> 1.0"]
    assert "base.in has no solution without moving a version back" in capsys.readouterr().err


def test_locking_one_project_moves_no_other_one_back(base: Base) -> None:
    base.names("demo\n")
    base.offers("demo", "1.0", "2.0")
    base.offers("wanted", "1.0", requires="demo<2")
    lock()
    base.site.write_text("[base]\nwanted\n")
    with pytest.raises(ForgeError, match="wanted has no solution in which no other project moves back"):
        lock("wanted")
    assert base.pins() == {"demo": "2.0"}


def test_uv_is_given_what_pip_is_set_up_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "extra").mkdir()
    use_pip_index(monkeypatch, "https://user:secret@mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file://{tmp_path}/extra file://{tmp_path}/not-there")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "mirror.example")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example:3128")
    text = uvlock.configuration(machine_options())
    for line in (
        'url = "https://user:secret@mirror.example/simple"\ndefault = true',
        f'url = "file://{tmp_path}/extra"',
        'allow-insecure-host = ["mirror.example"]',
        'https-proxy = "http://proxy.example:3128"',
    ):
        assert line in text
    assert "not-there" not in text


@pytest.mark.parametrize("place", ["the environment's file", "the site's file"])
def test_a_project_that_was_just_named_is_locked_alone_by_its_name(place: str, base: Base) -> None:
    base.names("first\n")
    for name in ("first", "new-one"):
        base.offers(name, "1.0")
    lock()
    base.offers("first", "1.0", "2.0")
    with pytest.raises(ForgeError, match="no lock knows New_One"):
        sources.lock("New_One")
    if place == "the site's file":
        base.site.write_text("[base]\nnew.one[extra]>=1 ; python_version > '3'\n")
    else:
        base.names("first\n  New-one  # why\n")
    sources.lock("New_One")
    assert base.pins() == {"first": "1.0", "new-one": "1.0"}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ("first\nsecond\n", "base.in asks for second, and base.txt pins no version of it"),
        ("first>=2\n", "base.in asks for first>=2, and base.txt pins 1.0"),
    ],
)
def test_what_was_named_and_not_locked_since_is_not_left_out_silently(asked: str, complaint: str, base: Base) -> None:
    base.names("first\nonly-elsewhere ; sys_platform == 'win32'\n--no-binary other\n")
    base.offers("first", "1.0")
    lock()
    pypilock.check("base")
    base.names(asked)
    with pytest.raises(ForgeError, match=complaint) as error:
        pypilock.check("base")
    assert "make lock NAME=" in str(error.value)


def test_the_sites_libraries_go_to_their_environments(tmp_path: Path) -> None:
    site = tmp_path / "site.in"
    lines = [
        "# why",
        "[base] # none",
        "[jupyterhubenv]",
        "oracledb>=2 # the warehouse",
        "",
        "[notebook]",
        " hvplot",
        "bokeh",
    ]
    site.write_text("\n".join(lines))
    sections = {name: text.split() for name, text in pypilock.read_site(site).items()}
    assert sections == {"base": [], "jupyterhubenv": ["oracledb>=2"], "notebook": ["hvplot", "bokeh"]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[hub]\n", 1),
        ("# x\nhvplot\n[base]\n", 2),
        ("[base]\nhvplot >> 2\n", 2),
        ("[base]\n\n[notebook]\nboke h\n", 4),
        ("[base]\ngood\nmine @ https://site.example/mine.whl\n", 3),
    ],
)
def test_a_mistake_in_the_sites_file_names_its_line(text: str, line: int, tmp_path: Path) -> None:
    site = tmp_path / "site.in"
    site.write_text(text)
    with pytest.raises(ForgeError, match=rf"site\.in, line {line}:"):
        pypilock.read_site(site)


def test_the_shipped_locks_agree_on_what_they_share() -> None:
    seen: dict[str, set[str]] = {}
    for job in pypilock.JOBS:
        if job.platform == uvlock.TARGET:
            for pin in pypi.read_lock(job.name):
                seen.setdefault(pin.name, set()).add(json.dumps([pin.version, sorted(pin.hashes)]))
                assert pin.hashes, pin.name
    assert {name for name, pins in seen.items() if len(pins) > 1} == set()
