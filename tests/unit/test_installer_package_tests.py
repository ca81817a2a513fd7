"""``-t``: the tests that packages carry are run in copies of the environments."""

import math
import re
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import mounted, run

PASSING = """\
- python:
    imports: [json, ssl]
- script:
  - grep -q "^#!$PREFIX/bin/python" "$PREFIX/bin/demo"
  - test "$PKG_NAME $PKG_VERSION" = "demo 1.0"
  - rm "$PREFIX/bin/demo"
- package_contents:
    files: [bin/demo]
"""
FAILING = """\
- script:
    content: |
      echo out of luck
      exit 3
"""


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.fixture
def prefix(installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with a short path: with a first line of over 127 characters, a script of the copy would name `env`."""
    prefix = tmp_path_factory.mktemp("p") / "prefix"
    assert run(installer, "-bs", "-p", prefix).returncode == 0
    return prefix


def carry(prefix: Path, tests: str) -> None:
    """Gives the package ``demo`` these tests."""
    folder = prefix / "pkgs/demo-1.0-h0_0/info/tests"
    folder.mkdir()
    (folder / "tests.yaml").write_text(tests)


def needed(installer: Path, prefix: Path, *flags: str) -> int:
    """The MiB that `--check` wants free."""
    found = re.search(r"([0-9]+) MiB are needed", run(installer, "--check", *flags, "-p", prefix).stdout)
    assert found
    return int(found[1])


def test_the_room_that_the_copies_take_is_wanted_before_anything_is_written(installer: Path, tmp_path: Path) -> None:
    alone, with_copies = needed(installer, tmp_path / "prefix"), needed(installer, tmp_path / "prefix", "-t")
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size={alone}m none {tmp_path}/disk\n"
        f"code=0; sh {installer} -bst -p {tmp_path}/disk/prefix --log /dev/null || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'"{tmp_path}/disk" has {alone} MiB free; {with_copies} MiB are needed.' in done.stderr


def test_the_room_that_is_counted_for_the_copies_is_what_the_largest_environment_takes(
    installer: Path, prefix: Path, tmp_path: Path
) -> None:
    counted = needed(installer, tmp_path / "new", "-t") - needed(installer, tmp_path / "new")
    files = [path for path in (prefix / "envs/jupyterhubenv").rglob("*") if path.is_file() and not path.is_symlink()]
    taken = sum(path.stat().st_blocks * 512 for path in files if "conda-meta" not in path.parts)
    assert counted == math.ceil(taken / 2**20)
    assert needed(installer, prefix, "-u", "-t") == counted


def test_they_run_in_a_copy_that_they_may_spoil(installer: Path, prefix: Path) -> None:
    carry(prefix, PASSING)
    done = run(installer, "-bsut", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert "jupyterhubenv: 2 tests" in done.stdout
    assert (prefix / "envs/jupyterhubenv/bin/demo").exists()
    assert {path.name for path in (prefix / ".hubforge").iterdir()} == {"installed.json"}


def test_one_that_writes_into_an_installed_file_writes_into_the_copy_alone(installer: Path, prefix: Path) -> None:
    before = (prefix / "envs/jupyterhubenv/share/demo/data/0").read_bytes()
    carry(prefix, "- script: [echo more >>$PREFIX/share/demo/data/0, grep -q more $PREFIX/share/demo/data/0]\n")
    assert run(installer, "-bsut", "-p", prefix).returncode == 0
    assert (prefix / "envs/jupyterhubenv/share/demo/data/0").read_bytes() == before


def test_a_failing_one_is_named_and_ends_in_5(installer: Path, prefix: Path) -> None:
    carry(prefix, FAILING)
    done = run(installer, "-bsut", "-p", prefix)
    assert done.returncode == 5
    assert "demo-1.0-h0_0: failed, exit code 3: out of luck" in done.stdout
    assert (prefix / ".hubforge/installed.json").exists()
    assert not (prefix / ".hubforge/installing").exists()


def test_one_that_wants_a_compiler_which_is_not_here_is_said_and_does_not_count(installer: Path, prefix: Path) -> None:
    carry(prefix, "- script: [a-compiler-that-nobody-has it.c]\n  requirements: {build: [a-compiler]}\n")
    done = run(installer, "-bsut", "-p", prefix)
    assert done.returncode == 0
    assert "demo-1.0-h0_0: cannot be run here" in done.stdout


def test_a_package_whose_own_program_is_missing_fails(installer: Path, prefix: Path) -> None:
    carry(prefix, "- script: [demo-that-was-forgotten --version]\n")
    done = run(installer, "-bsut", "-p", prefix)
    assert done.returncode == 5
    assert "demo-1.0-h0_0: failed, exit code 127: " in done.stdout


def test_a_test_that_cannot_be_read_is_a_line_and_no_traceback(installer: Path, prefix: Path) -> None:
    carry(prefix, "- [")
    done = run(installer, "-bsut", "-p", prefix)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr + done.stdout
