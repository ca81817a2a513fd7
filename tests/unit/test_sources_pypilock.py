"""The locks of PyPI projects: what they hold, what moves when one is locked anew, and what the site adds to them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import locking, sources
from forge.errors import ForgeError
from forge.sources import pypi, pypilock, uvlock
from forge.sources.pipindex import machine_options
from tests.unit.sources_mirrors import publish, serving, sha256, use_pip_index
from tests.unit.wheels_factory import wheel_bytes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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
