"""The log: what it holds, where it is, and where it cannot be written."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def test_the_log_holds_what_was_said_and_the_command(installer: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier run\n")
    done = run(installer, "-b", "-p", tmp_path / "prefix", "--log", log)
    text = log.read_text()
    assert text.startswith("of an earlier run\n==== ")
    assert f"-b -p {tmp_path}/prefix" in text
    said = done.stdout[done.stdout.index("Unpacking") :]
    assert text.endswith(said)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_log_has_the_summary_which_is_said_once(installer: Path, tmp_path: Path, shell: str) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / "log", shell=shell)
    summary = done.stdout[: done.stdout.index("Checking")]
    assert "MiB" in summary
    assert summary in (tmp_path / "log").read_text()
    assert done.stdout.count(summary) == 1


def test_errors_are_in_the_log_too(installer: Path, tmp_path: Path) -> None:
    unlucky = stub.before_linking(tmp_path / "commands", "echo out of luck >&2; exit 1")
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / "log", **unlucky)
    assert done.returncode == 4
    assert "out of luck" in done.stderr
    assert done.stderr == (tmp_path / "log").read_text()[-len(done.stderr) :]


@pytest.mark.parametrize("log", ["missing/log", ".", "/proc/log"])
def test_a_log_that_cannot_be_written_is_refused(installer: Path, tmp_path: Path, log: str) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / log)
    assert done.returncode == 1
    assert "--log" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_on_a_read_only_disk_is_refused(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o ro none {tmp_path}/disk\n"
        f"{shell} {installer} -bs -p {tmp_path}/prefix --log {tmp_path}/disk/log"
    )
    assert done.returncode == 1
    assert f'Cannot write the log "{tmp_path}/disk/log"' in done.stderr
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_that_takes_nothing_is_said_once(installer: Path, tmp_path: Path, shell: str) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", "/dev/full", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('The log "/dev/full" cannot be written') == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_where_the_usual_log_cannot_be_written_that_is_said_once(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(f"mount -t tmpfs -o ro none /var/log\n{shell} {installer} -bs -p {tmp_path}/prefix")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('The log "/var/log/hubforge-install.log" cannot be written') == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_the_installer_is_not_taken_for_its_own_log(installer: Path, tmp_path: Path, shell: str) -> None:
    copy = tmp_path / "copy.sh"
    copy.write_bytes(installer.read_bytes())
    (tmp_path / "log").symlink_to(copy)
    done = run(copy, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / "log", shell=shell)
    assert done.returncode == 2
    assert copy.read_bytes() == installer.read_bytes()
    assert not (tmp_path / "prefix").exists()


def test_without_root_the_log_is_beside_the_prefix(installer: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    (tmp_path / "installer.sh").write_bytes(installer.read_bytes())
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "id").write_text("#!/bin/sh\necho 1000\n")
    (fake / "id").chmod(0o755)
    command = ["sh", str(installer), "-bs", "-p", str(tmp_path / "prefix")]
    subprocess.run(command, env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"}, check=True)
    assert "Installed" in (tmp_path / "prefix-install.log").read_text()
