"""``make release``: what is refused before anything is built, and what becomes of the checkout when the build fails.

The building itself is replaced here; tests/integration/test_release.py makes a release.
"""

import re
import subprocess
from pathlib import Path

import pytest

from forge import build, construct, locking, locks, paths, releasing
from forge.errors import ForgeError


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed checkout of release 2026.11, with the locks of two environments."""
    for name, text in {
        "construct.yaml": re.sub(r'version = "[^"]+"', 'version = "2026.11"', paths.CONSTRUCT.read_text(), count=1),
        "LICENSE": "free\n",
        "post_install/install.sh": "true\n",
        ".gitignore": "/dist/\n",
        "docs/releases/reasons.txt": "# none\n",
        "lockfiles/base.explicit.txt": "@EXPLICIT\n$CHANNEL_ROOT/noarch/conda-1-0.conda#0\n",
        "lockfiles/jupyterhubenv.explicit.txt": "@EXPLICIT\n$CHANNEL_ROOT/noarch/hubforge-2026.11-0.conda#0\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=all")
    monkeypatch.setattr(releasing, "ROOT", tmp_path)
    monkeypatch.setattr(locks, "LOCKFILES", tmp_path / "lockfiles")
    monkeypatch.setattr(locking, "DIST", tmp_path / "dist")
    monkeypatch.setattr(releasing, "CONSTRUCT", tmp_path / "construct.yaml")
    monkeypatch.setattr(releasing, "PUBLISHED", tmp_path / "dist/channel")
    monkeypatch.setattr(releasing, "NOTES", tmp_path / "docs/releases")
    monkeypatch.setattr(releasing, "REASONS", tmp_path / "docs/releases/reasons.txt")
    monkeypatch.setattr(build, "environments_of", lambda *_: pytest.fail("something was built"))
    return tmp_path


def refusal(version: str) -> str:
    with pytest.raises(ForgeError) as caught:
        releasing.make(version)
    return str(caught.value)


@pytest.mark.parametrize("version", ["2026.11", "2026.10", "2025.12.3"])
def test_a_version_that_is_not_newer_is_refused(checkout: Path, version: str) -> None:
    assert f"{version} is not newer than 2026.11" in refusal(version)


@pytest.mark.parametrize("version", ["1.0", "2026.13", "2026.1", "next", "2026.12-rc1"])
def test_a_version_of_another_form_is_refused(checkout: Path, version: str) -> None:
    assert "YYYY.MM" in refusal(version)


def test_what_is_not_committed_is_named(checkout: Path) -> None:
    (checkout / "LICENSE").write_text("not free\n")
    (checkout / "new file").touch()
    said = refusal("2026.12")
    assert "LICENSE" in said
    assert "new file" in said


def test_a_release_that_the_channel_should_have_and_has_not_is_named(checkout: Path) -> None:
    (checkout / "docs/releases/2026.10.md").write_text("# Hubforge 2026.10\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=notes")
    assert "dist/channel lacks releases that were published: 2026.10" in refusal("2026.12")


def test_a_build_that_fails_leaves_the_version_as_it_was_committed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []

    def fails(plan: construct.Construct, _: bool) -> None:
        versions.append(plan.version)
        raise ForgeError("no room")

    monkeypatch.setattr(build, "environments_of", fails)
    before = (checkout / "construct.yaml").read_text()
    assert refusal("2026.12") == "no room"
    assert versions == ["2026.12"]
    assert (checkout / "construct.yaml").read_text() == before


def test_a_killed_run_is_gone_on_with(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has written itself does not count as uncommitted."""
    (checkout / "construct.yaml").write_text((checkout / "construct.yaml").read_text().replace("2026.11", "2026.12"))
    (checkout / "lockfiles/base.explicit.txt").write_text("@EXPLICIT\n")
    (checkout / "docs/releases/2026.12.md").write_text("# half\n")

    def reached(*_: object) -> None:
        raise ForgeError("reached the build")

    monkeypatch.setattr(build, "environments_of", reached)
    assert refusal("2026.12") == "reached the build"


def test_an_edit_of_construct_yaml_beside_the_version_is_not_taken_for_ours(checkout: Path) -> None:
    text = (
        (checkout / "construct.yaml")
        .read_text()
        .replace("2026.11", "2026.12")
        .replace("keep_pkgs: true", "keep_pkgs: true\n")
    )
    (checkout / "construct.yaml").write_text(text)
    assert "construct.yaml" in refusal("2026.12")
