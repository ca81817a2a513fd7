"""What an environment of the installer holds."""

from pathlib import Path

import pytest

from forge import build, channel, condapkg, locks
from forge.condapkg import Index

LOCKED = ("hub", "wanted-by-the-site")


@pytest.fixture(autouse=True)
def small_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel of three packages, and a PyPI lock that names two of them."""
    packages = [
        condapkg.write(tmp_path / "packages", Index(name, "1", "0", noarch="generic", depends=depends), [], epoch=0)
        for name, depends in {"hub": ("needed",), "needed": (), "wanted-by-the-site": ()}.items()
    ]
    channel.publish(packages, tmp_path / "channel")
    monkeypatch.setattr(build, "CHANNEL", tmp_path / "channel")
    monkeypatch.setattr(locks, "LOCKFILES", tmp_path)
    monkeypatch.setattr(build, "locked_names", lambda env: list(LOCKED))


def test_what_the_site_added_to_the_lock_is_installed() -> None:
    environment = build._environment("jupyterhubenv", ("hub",))
    assert set(locks.read("jupyterhubenv")) == {"hub", "needed", "wanted-by-the-site"}
    assert environment.specs == ("hub", "wanted-by-the-site")


def test_an_environment_without_a_pypi_lock_holds_what_it_asks_for() -> None:
    build._environment("another", ("hub",))
    assert set(locks.read("another")) == {"hub", "needed"}


def test_a_moved_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    build._environment("jupyterhubenv", ("hub",))
    path = locks.explicit_path("jupyterhubenv")
    path.write_text(path.read_text().replace("/hub-1-0.conda", "/hub-0.9-0.conda"))
    build._environment("jupyterhubenv", ("hub",))
    assert "lockfiles, jupyterhubenv: hub: 0.9 0 -> 1 0" in capsys.readouterr().err


def test_nothing_is_said_when_nothing_moved(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        build._environment("jupyterhubenv", ("hub",))
    assert capsys.readouterr().err == ""
