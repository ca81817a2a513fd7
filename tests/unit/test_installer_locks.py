"""Two runs at once in one folder: the second stops, and says which process is at work."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@contextmanager
def at_work(installer: Path, folder: Path, shell: str) -> Iterator[subprocess.Popen[str]]:
    """A run that installs into ``folder``/prefix, and is held back at the linking for as long as this lasts."""
    gate = folder / "gate"
    os.mkfifo(gate)
    slow = os.environ | stub.before_linking(folder / "commands", f"read -r _ <{gate}")
    command = [*shell.split(), str(installer), "-bs", "-p", str(folder / "prefix"), "--log", "/dev/null"]
    with subprocess.Popen(command, env=slow, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        while "Linking" not in first.stdout.readline():
            pass
        yield first
        gate.write_text("go\n")
        first.stdout.read()
    assert first.returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_of_two_installers_at_once_the_second_stops_with_the_firsts_pid(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    with at_work(installer, tmp_path, shell) as first:
        second = run(installer, "-bs", "-p", tmp_path / "prefix", shell=shell)
        removal = run(installer, "--uninstall", "-b", "-p", tmp_path / "prefix", shell=shell)
    assert (second.returncode, removal.returncode) == (1, 1)
    assert str(first.pid) in second.stderr
    assert "interrupted" not in second.stdout
    assert str(first.pid) in removal.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_check_says_which_installer_is_at_work_and_not_that_it_was_interrupted(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    with at_work(installer, tmp_path, shell) as first:
        check = run(installer, "--check", "-p", tmp_path / "prefix", shell=shell)
    stop = f'stop     Another installer (process {first.pid}) is at work in "{tmp_path}/prefix".'
    assert check.returncode == 1
    assert [line for line in check.stdout.splitlines() if line.startswith("stop")] == [stop]
    assert "interrupted" not in check.stdout


def test_the_pid_of_a_killed_installer_that_is_another_programs_now_stops_nobody(
    installer: Path, tmp_path: Path
) -> None:
    killed = os.environ | stub.before_linking(tmp_path / "commands", "kill -9 0")
    command = ["sh", str(installer), "-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    assert subprocess.run(command, env=killed, start_new_session=True, stdout=subprocess.DEVNULL).returncode != 0
    lock = tmp_path / "prefix/.hubforge/lock"
    assert lock.is_file()
    lock.write_text(f"{os.getpid()}\n")
    check = run(installer, "--check", "-p", tmp_path / "prefix")
    assert check.returncode == 0
    assert "holds an interrupted installation, which will be finished" in check.stdout
    assert run(installer, "-bs", "-p", tmp_path / "prefix").returncode == 0


def test_two_channels_extracted_into_one_folder_at_once_leave_a_whole_one(installer: Path, tmp_path: Path) -> None:
    command = ["sh", str(installer), "--extract-channel", str(tmp_path / "channel")]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for one in runs:
        said = one.communicate()[1]
        assert one.returncode == 0 or (one.returncode == 1 and "is at work in" in said), said
    assert 0 in {one.returncode for one in runs}
    left = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "channel").iterdir()}
    assert left == {"channel/linux-64", "channel/noarch"}
    assert run(installer, "--extract-channel", tmp_path / "alone").returncode == 0
    assert stub.tree(tmp_path / "channel") == stub.tree(tmp_path / "alone")
