"""A disk that is full while something is made: what was made is named, with how much is free where, and goes on later.

The small disk is a tmpfs in a mount namespace of the command's own.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forge import channel, condapkg
from forge.installer.assemble import INDEXER
from forge.paths import ROOT
from tests.unit.forge_command import start_command
from tests.unit.sources_mirrors import publish, serving, sha256, use_pip_index
from tests.unit.wheels_factory import wheel_bytes

BIG = 4 << 20
"""Bytes; the small disk has one MiB."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Where the small disk will be."""
    (tmp_path / "small").mkdir()
    return tmp_path / "small"


def on_a_small_disk(small: Path, *command: str) -> list[str]:
    """The command with a disk of one MiB at ``small``; what it leaves there is listed on standard output."""
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'mount -t tmpfs -o size=1m tmpfs {small}; "$@"; code=$?; find {small} -type f; exit $code'
    return ["unshare", *rights, "--mount", "sh", "-c", script, "sh", *command]


def run(small: Path, body: str) -> tuple[int, str, str]:
    """A command of the build tool on a small disk: its exit code, what it said, and the files that it left there."""
    process = start_command(body, wrapper=on_a_small_disk(small), stdout=subprocess.PIPE)
    output, said = process.communicate(timeout=120)
    return process.returncode, said, output


def test_a_package_that_finds_no_room_is_named_with_what_is_free(small: Path) -> None:
    code, said, left = run(
        small,
        f"""
        import os
        from pathlib import Path
        from forge import condapkg
        members = [condapkg.Member("share/big", os.urandom({BIG}))]
        condapkg.write(Path({str(small)!r}, "out"), condapkg.Index("big", "1", "0"), members, epoch=0)
        """,
    )
    assert (code, left) == (1, "")
    assert said.startswith(f"error: {small}/out/big-1-0.conda: the disk is full\n  Make room, then run it again.")
    assert "Traceback" not in said


def test_a_download_that_finds_no_room_is_not_the_mirrors_fault(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _ = wheel_bytes("demo", "1.0")
    data = os.urandom(BIG)
    publish(tmp_path / "mirror", "demo", {name: data})
    fetch = f"""
        from forge.sources import pypi
        print(pypi.fetch([pypi.Pin("demo", "1.0", frozenset({{{sha256(data)!r}}}))], "fetch")["demo"])
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    with serving(tmp_path / "mirror") as (url, _):
        use_pip_index(monkeypatch, f"{url}/simple")
        code, said, left = run(small, fetch)
        assert (code, left) == (1, "")
        assert f"/{name}: the disk is full\n" in said
        assert f"\n    1 MiB in {small}/hubforge" in said or f"\n    0 MiB in {small}/hubforge" in said
        process = start_command(fetch, stdout=subprocess.PIPE)  # there is room now
        assert name in process.communicate(timeout=60)[0]


@pytest.mark.parametrize(
    "words",
    [
        "ld.lld: error: failed to write output: No space left on device",
        "npm error code ENOSPC",
        "error: unable to write: NoSpaceLeft",
        "E: You don't have enough free space in /var/cache/apt/archives/.",
        "cp: error writing: Disk quota exceeded",
    ],
)
def test_any_tools_words_for_it_are_understood(words: str, small: Path) -> None:
    code, said, _ = run(
        small, f"from forge.errors import ForgeError\nraise ForgeError('it was not made:\\n' + {words!r})"
    )
    assert code == 1
    assert said.startswith("error: it was not made: the disk is full\n  Make room")


def test_the_tools_that_find_no_room_are_said_so(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    command = on_a_small_disk(small, "sh", "forge/bootstrap.sh", "lock")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: pip could not install the locked tools of " in done.stderr
    assert "The disk is full: make room, then run it again." in done.stderr
    assert str(small) in done.stderr
    assert "/complete" not in done.stdout


def test_an_index_that_finds_no_room_leaves_the_one_before_and_nothing_half_written(
    small: Path, tmp_path: Path
) -> None:
    """hubctl, which runs the same program on a server, tells a full disk by the number in these words."""
    given = tmp_path / "channel"
    channel.publish([condapkg.write(tmp_path, condapkg.Index("one", "1", "0"), [], epoch=0)], given)
    before = (given / "noarch" / "repodata.json").read_text()
    condapkg.write(given / "noarch", condapkg.Index("two", "1", "0", license="x" * BIG), [], epoch=0)
    script = 'cp -r "$1"/. "$2"; "$3" "$4" "$2"; code=$?; cat "$2/noarch/repodata.json"; echo; exit $code'
    words = ("sh", "-c", script, "sh", str(given), str(small), sys.executable, str(INDEXER))
    done = subprocess.run(on_a_small_disk(small, *words), capture_output=True, text=True)
    index, *left = done.stdout.splitlines()
    assert done.returncode == 1
    assert f"(os error {errno.ENOSPC})" in done.stderr
    assert index == before
    assert sorted(left) == sorted(str(small / path.relative_to(given)) for path in given.rglob("*") if path.is_file())
