"""``--check``: what it says about this file and this host, a line each, and that it writes nothing."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def fakes(folder: Path, commands: Mapping[str, str]) -> str:
    """A PATH on which each of ``commands`` is a script."""
    folder.mkdir()
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_concern_is_one_line_and_nothing_is_written(installer: Path, tmp_path: Path, shell: str) -> None:
    done = run(installer, "--check", "-p", tmp_path / "new/prefix", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    for word in (
        *("sha256", "architecture", "glibc", "libstdc++", "prefix", "space", "programs", "users"),
        *("port 8000", "port 8001", "port 8081", "Docker", "systemd", "Kerberos", "clock"),
    ):
        assert sum(word in line for line in lines) >= 1, word
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_way_is_a_stop_and_the_checks_go_on(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", {"uname": "echo aarch64", "df": "echo /dev/x 100000 99000 1000 99% /"})
    done = run(installer, "--check", "-p", tmp_path / "with space", PATH=path)
    assert done.returncode == 1
    stops = [line for line in done.stdout.splitlines() if line.startswith("stop")]
    assert [word for word in ("aarch64", "with space", "MiB") if any(word in line for line in stops)] == [
        *("aarch64", "with space", "MiB")
    ]
    assert "clock" in done.stdout.splitlines()[-1]
    assert done.stderr.strip().endswith("3")


def test_an_existing_prefix_is_a_stop_without_u(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(installer, "--check", "-p", tmp_path).returncode == 1
    assert run(installer, "--check", "-u", "-p", tmp_path).returncode == 0


def test_a_port_that_is_taken_is_a_warning(installer: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 8081)):
        done = run(installer, "--check", "-p", tmp_path / "prefix")
    assert done.returncode == 0
    assert any(line.startswith("warning") and "8081" in line for line in done.stdout.splitlines())


def test_a_clock_before_the_release_is_a_warning(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", {"date": "case $1 in +%s) echo 1000000000 ;; *) echo 2001 ;; esac"})
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    assert any(line.startswith("warning") and "2001" in line for line in done.stdout.splitlines())


def test_a_clock_that_nothing_sets_is_a_warning(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", {"timedatectl": "echo no"})
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    now = time.strftime("%Y-%m-%d", time.gmtime())
    assert any(line.startswith("warning") and now in line for line in done.stdout.splitlines())


def test_without_root_the_host_is_said_to_be_left_alone(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", {"id": "echo 1000"})
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    assert any(line.startswith("warning") and "root" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_damaged_package_is_named_and_ends_in_3(installer: Path, tmp_path: Path, shell: str) -> None:
    data = bytearray(installer.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged.sh").write_bytes(data)
    done = run(tmp_path / "damaged.sh", "--check", "-p", tmp_path / "prefix", shell=shell)
    assert done.returncode == 3
    assert "-1" in done.stderr.split('part "')[1], done.stderr
    assert not (tmp_path / "prefix").exists()
