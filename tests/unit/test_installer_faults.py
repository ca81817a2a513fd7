"""An installation that is killed, cut off or fails: what is left, and that the same command finishes it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, fakes, run
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def undisturbed(installer: Path, prefix: Path) -> dict[str, str]:
    """The files of an installation that nothing disturbs; removed again, so that another run can be compared."""
    assert run(installer, "-b", "-p", prefix).returncode == 0
    found = stub.tree(prefix)
    shutil.rmtree(prefix)
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_killed_before_linking_the_same_command_finishes(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    expected = undisturbed(installer, prefix)
    killed = os.environ | stub.before_linking(tmp_path / "commands", "kill -9 0")  # the whole process group
    command = [*shell.split(), str(installer), "-b", "-p", str(prefix), "--log", "/dev/null"]
    done = subprocess.run(command, env=killed, start_new_session=True, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert not (prefix / ".hubforge/installed.json").exists()
    unpacked = (prefix / "pkgs/libz-1.3-h1_0/lib/libz.so.1").stat().st_ino
    assert run(installer, "-b", "-p", prefix, shell=shell).returncode == 0
    assert stub.tree(prefix) == expected
    assert (prefix / "lib/libz.so.1").stat().st_ino == unpacked, "what was complete is not unpacked again"


class Disturbed:
    """A prefix whose undisturbed installation is known, and how long that took."""

    def __init__(self, folder: Path) -> None:
        self.installer = stub.build(folder)
        self.prefix = folder / "prefix"
        started = time.monotonic()
        self.expected = undisturbed(self.installer, self.prefix)
        self.seconds = time.monotonic() - started

    @property
    def is_complete(self) -> bool:
        """Whether it says so of itself."""
        state = self.prefix / ".hubforge"
        return (state / "installed.json").exists() and not (state / "installing").exists()


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    return Disturbed(tmp_path_factory.mktemp("disturbed"))


KILL_POINTS = 30


@pytest.mark.parametrize("point", range(KILL_POINTS))
def test_killed_anywhere_the_same_command_finishes(disturbed: Disturbed, point: int) -> None:
    arguments = ["-b", "-p", str(disturbed.prefix), "--log", "/dev/null"]
    command = [*SHELLS[point % 3].split(), str(disturbed.installer), *arguments]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        time.sleep(disturbed.seconds * point / KILL_POINTS)
        os.killpg(process.pid, signal.SIGKILL)
    if disturbed.is_complete:  # the kill came after the last step: what it may leave is the lock, which holds up nobody
        (disturbed.prefix / ".hubforge/lock").unlink(missing_ok=True)
    else:
        assert run(disturbed.installer, *arguments).returncode == 0
    assert stub.tree(disturbed.prefix) == disturbed.expected
    shutil.rmtree(disturbed.prefix)


@pytest.mark.parametrize("shell", SHELLS)
def test_killed_alone_what_it_had_started_ends_before_the_same_command_goes_on(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    """A kill -9 of the installer's process leaves its children: two writers in one prefix would spoil it."""
    gate, reached, prefix = tmp_path / "gate", tmp_path / "reached", tmp_path / "prefix"
    os.mkfifo(gate)
    expected = undisturbed(installer, prefix)
    slow = os.environ | stub.before_linking(tmp_path / "commands", f"touch {reached}; read -r _ <{gate}")
    command = [*shell.split(), str(installer), "-b", "-p", str(prefix), "--log", "/dev/null"]
    with subprocess.Popen(command, env=slow, stdout=subprocess.DEVNULL) as first:
        wait_for("the packages are being linked", reached.exists)
        first.kill()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout
        while "was killed, and what it had started still works" not in second.stdout.readline():
            assert second.poll() is None
        assert not (prefix / ".hubforge/installed.json").exists()
        gate.write_text("go on\n")
        second.stdout.read()
    assert second.returncode == 0
    assert stub.tree(prefix) == expected


def test_a_lock_of_a_run_that_is_gone_holds_up_nobody_whoever_has_its_number_now(
    installer: Path, tmp_path: Path
) -> None:
    """In a container every first process has the number one."""
    (tmp_path / "prefix/.hubforge").mkdir(parents=True)
    (tmp_path / "prefix/.hubforge/lock").write_text(f"{os.getpid()}\n")
    assert run(installer, "-b", "-p", tmp_path / "prefix").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_ends_in_4_and_leaves_no_temporary_file(
    installer: Path, tmp_path: Path, number: signal.Signals, shell: str
) -> None:
    stopped = os.environ | stub.before_linking(tmp_path / "commands", f"kill -{number.name[3:]} 0")
    arguments = ["-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    command = [*shell.split(), str(installer), *arguments]
    done = subprocess.run(command, env=stopped, start_new_session=True, capture_output=True, text=True)
    assert done.returncode == 4
    assert "same command" in done.stderr
    assert [path.name for path in (tmp_path / "prefix/.hubforge").iterdir()] == ["installing"]
    again = run(installer, *arguments)
    assert again.returncode == 0
    assert "An interrupted installation is there: going on with it." in again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_before_anything_was_written_is_answered_with_a_sentence_and_nothing_stays(
    installer: Path, tmp_path: Path, number: signal.Signals, shell: str
) -> None:
    mkdir = f'case $* in *tmp.*) kill -{number.name[3:]} 0 ;; esac; exec {shutil.which("mkdir")} "$@"'
    stopped = os.environ | {"PATH": fakes(tmp_path / "commands", mkdir=mkdir)}
    command = [*shell.split(), str(installer), "-bs", "-p", str(tmp_path / "new/prefix"), "--log", "/dev/null"]
    done = subprocess.run(command, env=stopped, start_new_session=True, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("Interrupted: nothing was changed.\n")  # bash says itself how a command has ended
    assert not (tmp_path / "new").exists()


def test_half_linked_files_do_not_stay(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    expected = undisturbed(installer, prefix)
    run(installer, "-b", "-p", prefix)
    (prefix / ".hubforge/installed.json").unlink()
    (prefix / ".hubforge/installing").write_text("2026.11 new unknown\n")
    (prefix / "conda-meta/conda-24.7.1-py_0.json").unlink()
    (prefix / "share/half").write_text("linked by nobody\n")
    assert run(installer, "-b", "-p", prefix).returncode == 0
    assert stub.tree(prefix) == expected


def test_after_a_power_cut_packages_are_unpacked_again(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    expected = undisturbed(installer, prefix)
    run(installer, "-b", "-p", prefix)
    (prefix / ".hubforge/installed.json").unlink()
    (prefix / ".hubforge/installing").write_text("2026.11 new another-boot\n")
    (prefix / "pkgs/libz-1.3-h1_0/lib/libz.so.1").write_bytes(b"")  # as a file system may leave it
    assert run(installer, "-b", "-p", prefix).returncode == 0
    assert stub.tree(prefix) == expected


def test_an_error_while_linking_ends_in_4(installer: Path, tmp_path: Path) -> None:
    """What the package holds in the place of a file was not there when the environments were worked out."""
    unlucky = stub.before_linking(tmp_path / "commands", f"rm {tmp_path}/prefix/pkgs/demo-1.0-h0_0/lib/libdemo.so.1")
    done = run(installer, "-b", "-p", tmp_path / "prefix", **unlucky)
    assert done.returncode == 4
    assert "lib/libdemo.so.1" in done.stderr
    assert "same command" in done.stderr
    assert not (tmp_path / "prefix/.hubforge/installed.json").exists()
