"""What the installer needs of the host: it is looked for before anything is written, and named where it is missing."""

import re
import subprocess
from pathlib import Path

import pytest

from forge.installer.assemble import FOLDER
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


TASKS = (["-bs"], ["-bsu"], ["--check", "-u"], ["--list"], ["--sbom"], ["--uninstall", "-b"])


def test_every_command_that_is_run_is_looked_for_first(installer: Path, tmp_path: Path) -> None:
    commands, ran = tmp_path / "commands", tmp_path / "ran"
    commands.mkdir()
    listed = subprocess.run(["dpkg-query", "-L", "coreutils"], check=True, capture_output=True, text=True)
    for program in (Path(line) for line in listed.stdout.splitlines() if "bin/" in line):
        noting = commands / program.name
        noting.write_text(f'#!/bin/sh\necho {program.name} >>{ran}\nexec {program} "$@"\n')
        noting.chmod(0o755)
    for task in TASKS:
        done = run(installer, *task, "-p", tmp_path / "prefix", shell="/bin/dash", PATH=str(commands))
        assert (done.returncode, done.stderr) == (0, ""), task
    looked_for = re.findall(r"for tool in (.*);", (FOLDER / "header/host.sh").read_text())[0].split()
    assert set(ran.read_text().split()) - set(looked_for) == set()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("task", ["-bs", "--check"])
def test_without_proc_one_line_says_so_and_nothing_is_written(
    installer: Path, tmp_path: Path, task: str, shell: str
) -> None:
    done = mounted(f"mount -t tmpfs none /proc\n{shell} {installer} {task} -p {tmp_path}/prefix --log /dev/null")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("There is no /proc")
    assert list(tmp_path.iterdir()) == []
