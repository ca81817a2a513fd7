"""An odd environment, and the ways to start the file."""

import subprocess
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize(
    "surroundings",
    [
        "unset HOME",
        "exec <&-",
        "exec >&-",
        "exec 2>&-",
        "exec <&- >&- 2>&-",
        "exec </dev/null >/dev/null",
        "LANG=C LC_ALL=C; export LANG LC_ALL",
        "LANG=xx_YY.UTF-8; export LANG",
        "TMPDIR=/nonexistent; export TMPDIR",
        "PYTHONHOME=/nonexistent PYTHONPATH=/nonexistent LD_LIBRARY_PATH=/nonexistent; export PYTHONHOME PYTHONPATH",
        "GREP_OPTIONS=-x POSIXLY_CORRECT=1 IFS=xyz; export GREP_OPTIONS POSIXLY_CORRECT IFS",
        "ulimit -n 64",
        "umask 077",
        "cd /; rmdir $folder/gone; cd $folder",
        "CDPATH=/tmp; export CDPATH",
        "SHELLOPTS_WANTED=1; set -e",
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_odd_surroundings_do_not_matter(installer: Path, tmp_path: Path, surroundings: str, shell: str) -> None:
    (tmp_path / "gone").mkdir()
    script = f"folder={tmp_path}; {surroundings}; exec {shell} {installer} -bs -p {tmp_path}/prefix --log /dev/null"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "prefix/.hubforge/installed.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("shell", SHELLS)
def test_is_run_by_its_own_name_from_its_own_folder(installer: Path, tmp_path: Path, shell: str) -> None:
    (tmp_path / "with space").mkdir()
    copy = tmp_path / "with space/hub installer.sh"
    copy.write_bytes(installer.read_bytes())
    command = [*shell.split(), copy.name, "-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    done = subprocess.run(command, cwd=copy.parent, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_through_a_pipe_it_says_how_to_run_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        f"cat {installer} | {shell} -s -- -bs -p {tmp_path}/prefix", shell=True, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert not (tmp_path / "prefix").exists()
    assert "sh FILE" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_on_standard_input_it_says_which_shells_run_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = subprocess.run(f"{shell} <{installer}", shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Run it as a file with sh, dash, bash, zsh or busybox sh" in done.stderr


def test_zsh_hands_it_to_sh(installer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "hub installer.sh"
    copy.write_bytes(installer.read_bytes())
    for task in (["-bs"], ["-bsu"], ["--uninstall", "-b"]):
        done = run(copy, *task, "-p", tmp_path / "prefix", shell="zsh")
        assert (done.returncode, done.stderr) == (0, ""), task
