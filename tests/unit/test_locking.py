"""Builds at the same time, of one checkout and of several that share the cache."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rattler

from forge import build, channel, condapkg, environments, locking, release
from forge.condapkg import Index
from tests.unit.forge_command import once_written, start_command


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locking, "DIST", tmp_path / "dist")


@contextmanager
def holding(body: str, held: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs ``body`` until the block ends; it has written ``held`` by then."""
    process = start_command(body)
    try:
        once_written(held)
        yield process
    finally:
        process.kill()
        process.communicate()


def a_second_build(tmp_path: Path, entered: Path) -> str:
    return f"""
        import time
        from pathlib import Path
        from forge import locking
        locking.DIST = Path({str(tmp_path / "dist")!r})
        with locking.alone():
            Path({str(entered)!r}).write_text("yes")
            time.sleep(600)
    """


def test_a_second_build_of_a_checkout_waits_and_says_so(tmp_path: Path) -> None:
    entered = tmp_path / "entered"
    with locking.alone():
        process = start_command(a_second_build(tmp_path, entered))
        assert process.stderr
        assert process.stderr.readline() == "another build is at work in this checkout; waiting\n"
        assert not entered.exists()
    assert once_written(entered)
    process.kill()
    process.communicate()


def test_a_build_that_was_killed_keeps_nobody_waiting(tmp_path: Path) -> None:
    entered = tmp_path / "entered"
    with holding(a_second_build(tmp_path, entered), entered):
        pass
    with locking.alone():
        pass


def records(tmp_path: Path, name: str) -> list[rattler.RepoDataRecord]:
    """A solved environment of one package."""
    package = condapkg.write(tmp_path / "packages", Index(name, "1", "0", noarch="generic"), [], epoch=0)
    channel.publish([package], tmp_path / name)
    return environments.solve([name], [tmp_path / name])


def test_a_prefix_that_another_build_uses_stays_and_goes_when_nobody_does(tmp_path: Path) -> None:
    folder, in_use = tmp_path / "prefixes", tmp_path / "in-use"
    with build._linked(folder, records(tmp_path, "theirs")) as theirs:
        pass
    other = f"""
        import time
        from pathlib import Path
        from forge import locking
        with locking.in_use(Path({str(theirs)!r}, "conda-meta", "complete")):
            Path({str(in_use)!r}).write_text("yes")
            time.sleep(600)
    """
    with holding(other, in_use), build._linked(folder, records(tmp_path, "ours")) as ours:
        assert theirs.exists() and ours.exists()
    with build._linked(folder, records(tmp_path, "newer")) as newer:
        assert [path for path in folder.iterdir() if path.is_dir()] == [newer]


def test_a_prefix_whose_linking_was_interrupted_is_linked_again(tmp_path: Path) -> None:
    folder, wanted = tmp_path / "prefixes", records(tmp_path, "ours")
    with build._linked(folder, wanted) as prefix:
        pass
    (prefix / "conda-meta" / "complete").unlink()
    (prefix / "half").touch()
    with build._linked(folder, wanted) as again:
        assert again == prefix
        assert not (prefix / "half").exists()


def test_two_checkouts_that_pin_other_packages_do_not_write_one_metapackage(tmp_path: Path) -> None:
    one = release.metapackage("2026.11", records(tmp_path, "one"))
    two = release.metapackage("2026.11", records(tmp_path, "two"))
    assert one != two
    assert condapkg.read(one).index.depends == ("one ==1 0",)
