"""`hubctl channel add` and `hubctl uninstall` run an installer, and no other program that they are given."""

from pathlib import Path

import pytest
from conftest import ServerRoot
from installer_support import write_installer

COMMANDS = (["channel", "add"], ["uninstall", "--yes"])


@pytest.fixture
def trace(server_root: ServerRoot) -> Path:
    """The file that a script would make if it were run."""
    folder = server_root.path / "trace"
    folder.mkdir()
    folder.chmod(0o777)
    return folder / "was-run"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_script_that_is_no_installer_is_not_run(server_root: ServerRoot, trace: Path, command: list[str]) -> None:
    script = server_root.path / "any.sh"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    done = server_root.hubctl(*command, str(script))
    assert not trace.exists()
    assert done.returncode == 1
    assert done.stderr == f"hubctl: {script} is no installer: nothing of it was run; give hub-installer.sh\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_changed_installer_is_not_run(server_root: ServerRoot, trace: Path, command: list[str]) -> None:
    installer = server_root.path / "hub-installer.sh"
    write_installer(installer, "exit 4")
    installer.write_bytes(installer.read_bytes().replace(b"exit 4", f"touch {trace}".encode()))
    done = server_root.hubctl(*command, str(installer))
    assert not trace.exists()
    assert (done.returncode, done.stderr) == (
        1,
        f"hubctl: {installer} is damaged: its own sum is another one: copy it to this server again\n",
    )


def test_a_file_of_the_host_is_not_taken_for_the_installer(server_root: ServerRoot) -> None:
    done = server_root.hubctl("uninstall", "--yes", "/etc/passwd")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hubctl: /etc/passwd is no installer: nothing of it was run; give hub-installer.sh\n"


def test_whoever_names_no_installer_reads_which_file_removes_what(server_root: ServerRoot) -> None:
    done = server_root.hubctl("uninstall")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("hubctl: The installer removes ")
    assert "copy hub-installer.sh, of this or another release, to this server" in done.stderr
    assert "`hubctl uninstall hub-installer.sh`; nothing was removed" in done.stderr
