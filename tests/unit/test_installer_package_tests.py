"""``-t``: the tests that packages carry are run in copies of the environments."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from forge.condapkg import Index, Member
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


def test_the_room_that_is_counted_holds_the_largest_environments_copy_and_a_copy_that_a_test_makes_of_it(
    tmp_path: Path,
) -> None:
    plan = stub.plan(tmp_path / "packages")
    data = [Member("share/large", bytes(20 * 2**20))]
    large = stub.package(tmp_path / "packages", Index("large", "1.0", "0", subdir="linux-64"), data)
    base, hub = plan.environments
    plan = replace(plan, environments=(base, replace(hub, packages=(*hub.packages, large))))
    installer, prefix = stub.build(tmp_path, plan), tmp_path / "prefix"
    assert run(installer, "-bs", "-p", prefix).returncode == 0
    counted = needed(installer, tmp_path / "new", "-t") - needed(installer, tmp_path / "new")
    assert counted - 2 < 2 * stub.taken(prefix / "envs/jupyterhubenv") / 2**20 <= counted
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
