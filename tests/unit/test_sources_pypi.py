"""PyPI: which file is taken, that it is the locked one, and what is said when it can't be had."""

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from forge.sources import pypi
from forge.sources.cache import GoneError, HashMismatchError, UnreachableError
from forge.sources.pipindex import PipIndex
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
