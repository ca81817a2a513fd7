"""Installed, but a step after that failed (exit code 5): the last line has the one command that runs it again."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run
from tests.unit.test_installer_package_tests import FAILING, carry
from tests.unit.test_installer_upgrade import with_a_hub
from tests.unit.upgrade_releases import HUB, Releases

pytest_plugins = ["tests.unit.upgrade_releases"]


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder in front of PATH."""
    folder = tmp_path / "commands"
    folder.mkdir()
    return folder


def put(commands: Path, name: str, script: str) -> str:
    """Makes a command; gives the PATH that it is on."""
    (commands / name).write_text(f"#!/bin/sh\n{script}\n")
    (commands / name).chmod(0o755)
    return f"{commands}:/usr/bin:/bin"


def offered(said: str) -> list[str]:
    """The commands that the installer names, from the last line up."""
    return [line.partition("Once the cause is removed, run: ")[2] for line in reversed(said.splitlines())]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_step_of_the_host_is_run_again_by_hubctl_setup(tmp_path: Path, shell: str) -> None:
    script = "echo 'tls: ok'; echo 'secrets: failed: wrong' >&2; exit 5\n"
    installer = stub.build(tmp_path, replace(stub.plan(tmp_path / "packages"), post_install=script))
    done = run(installer, "-b", "-p", tmp_path / "prefix", shell=shell)
    assert done.returncode == 5
    assert offered(done.stderr) == [f"{tmp_path}/prefix/envs/jupyterhubenv/bin/hubctl setup", ""]
    assert done.stderr.startswith("secrets: failed: wrong\n")


def test_contexts_are_given_again_by_restorecon_and_not_by_the_hosts_steps(tmp_path: Path, commands: Path) -> None:
    path = put(commands, "restorecon", "echo 'restorecon: no policy' >&2; exit 255")
    done = run(stub.build(tmp_path), "-b", "-p", tmp_path / "prefix", PATH=path)
    assert done.returncode == 5
    assert offered(done.stderr)[0].startswith(f"restorecon -R {tmp_path}/prefix")
    assert "hubctl setup" not in done.stderr


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_shell_that_was_not_set_up_is_named(tmp_path: Path, name: str) -> None:
    done = run(stub.build(tmp_path), "-bsc", "-p", tmp_path / "prefix", HOME="/proc/nowhere", SHELL=f"/bin/{name}")
    assert done.returncode == 5
    assert offered(done.stderr)[0] == f"{tmp_path}/prefix/bin/conda init {name}"


def test_tests_of_packages_are_run_again_by_a_command_that_can_be_pasted(tmp_path: Path) -> None:
    installer = stub.build(tmp_path)
    assert run(installer, "-bs", "-p", tmp_path / "p").returncode == 0
    carry(tmp_path / "p", FAILING)
    done = run(installer, "-bsut", "-p", tmp_path / "p")
    assert done.returncode == 5
    assert offered(done.stderr) == [f"sh '{installer}' -b -u -s -t -p {tmp_path}/p"]


def test_a_hub_that_does_not_start_again_is_started_by_hubctl_restart(releases: Releases, prefix: Path) -> None:
    done = with_a_hub(prefix, f"sh {releases.new} -bus --restart -p {prefix} --log /dev/null", code=3)
    assert done.returncode == 5
    assert offered(done.stderr)[0] == f"{prefix}/{HUB}/bin/hubctl restart"


def test_a_hub_that_is_not_restarted_since_a_step_failed_is_named_beside_that_step(
    releases: Releases, prefix: Path
) -> None:
    line = f"HOME=/proc/nowhere sh {releases.new} -bsuc --restart -p {prefix} --log /dev/null"
    done = with_a_hub(prefix, line)
    assert done.returncode == 5
    assert offered(done.stderr)[:2] == [f"{prefix}/{HUB}/bin/hubctl restart", f"{prefix}/bin/conda init bash"]
    assert not (prefix / "told").exists()


def test_every_kind_of_step_is_tested_above() -> None:
    text = Path(stub.__file__).parents[2].joinpath("forge/installer/messages/en.sh").read_text()
    assert len(re.findall(r"^    \w+_step\) ", text, re.MULTILINE)) == 5
