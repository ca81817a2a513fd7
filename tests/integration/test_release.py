"""``make release`` in two copies of the checkout: the same commit gives the same release, beside the one before."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import construct, reproduce
from forge.files import sha256_of
from forge.paths import CONSTRUCT

NEXT = "2099.01"

MADE = ("dist/hub-installer.sh", f"docs/releases/{NEXT}.md", "construct.yaml", "lockfiles/jupyterhubenv.explicit.txt")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Two committed copies of the checkout: each has published the release that it had, and has made the next one."""
    folders = [tmp_path_factory.mktemp("copies") / name for name in ("one", "two/in-a-longer-path")]
    for folder in folders:  # both at once: the checkout may be worked in
        reproduce.copy_checkout(folder)
    for folder in folders:
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
        for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message=all"]):
            subprocess.run(["git", "-C", str(folder), *arguments], check=True)
        for arguments in (["channel"], ["release", NEXT]):
            subprocess.run([sys.executable, "-m", "forge", *arguments], cwd=folder, check=True)
    yield folders


def test_both_are_the_same_byte_for_byte(copies: list[Path]) -> None:
    one, two = copies
    indices = [path.relative_to(one).as_posix() for path in one.glob("dist/channel/*/repodata.json*")]
    assert len(indices) == 4
    assert {name: sha256_of(one / name) for name in (*MADE, *indices)} == {
        name: sha256_of(two / name) for name in (*MADE, *indices)
    }


def test_the_channel_holds_both_releases_and_the_locks_of_both(copies: list[Path]) -> None:
    channel = copies[0] / "dist/channel"
    now = construct.read(CONSTRUCT).version
    records = json.loads((channel / "noarch/repodata.json").read_text())["packages.conda"]
    releases = {record["version"]: record["depends"] for record in records.values() if record["name"] == "hubforge"}
    assert releases.keys() == {now, NEXT}
    for version in releases:
        lock = (channel / f"locks/{version}/jupyterhubenv.explicit.txt").read_text()
        listed = lock.partition("@EXPLICIT\n")[2].splitlines()
        assert f"hubforge-{version}-0.conda" in lock
        assert all((channel / line.partition("#")[0].removeprefix("$CHANNEL_ROOT/")).is_file() for line in listed)


def test_the_notes_say_what_has_changed(copies: list[Path]) -> None:
    notes = (copies[0] / f"docs/releases/{NEXT}.md").read_text()
    now = construct.read(CONSTRUCT).version
    assert f"| hubforge | {now} | {NEXT} | " in notes
    assert f"| hubctl | {now} | {NEXT} | " in notes


def test_what_is_to_be_committed_is_nothing_but_the_release(copies: list[Path]) -> None:
    listed = subprocess.run(["git", "status", "--short"], cwd=copies[0], capture_output=True, text=True, check=True)
    assert {line[3:] for line in listed.stdout.splitlines()} <= {
        "construct.yaml",
        f"docs/releases/{NEXT}.md",
        *(
            f"lockfiles/{name}{end}"
            for name in ("base", "jupyterhubenv")
            for end in (".explicit.txt", ".conda-lock.yml")
        ),
    }
