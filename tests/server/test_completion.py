"""What the shell completes of `hubctl`, and how `hubctl uninstall` hands over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ServerRoot
from installer_support import write_installer

HUBCTL = Path(sys.prefix, "bin", "hubctl")


def completion(**variables: str) -> str:
    environment = os.environ | variables
    done = subprocess.run([HUBCTL], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], ["start", "stop", "status"]),
        (["config", "s"], ["show", "set"]),
        (["config", "set", "limits.m"], ["limits.memory"]),
        (["config", "add", "admin"], ["admin_users", "admin_groups"]),
        (["doctor", "--e"], ["--end-leftovers"]),
    ],
)
def test_bash_offers_what_goes_on(words: list[str], offered: list[str]) -> None:
    script = completion(_HUBCTL_COMPLETE="source_bash")
    line = f"COMP_WORDS=(hubctl {' '.join(words)}); COMP_CWORD={len(words)}"
    ask = f'{script}\n{line}\n_hubctl_completion "$1"\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask, "bash", HUBCTL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


def test_zsh_and_fish_offer_the_same() -> None:
    zsh = completion(_HUBCTL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="hubctl config va")
    assert '"validate":' in zsh
    fish = {"_TYPER_COMPLETE_ARGS": "hubctl config va", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert completion(_HUBCTL_COMPLETE="complete_fish", **fish).startswith("validate\t")
    for shell in ("zsh", "fish"):
        assert "hubctl" in completion(_HUBCTL_COMPLETE=f"source_{shell}")


def test_uninstall_is_the_installers(server_root: ServerRoot) -> None:
    """A stand-in for the installer says what it was asked for; what the real one does is tested with it."""
    installer = server_root.path / "hub-installer.sh"
    done = server_root.hubctl("uninstall", str(installer))
    assert (done.returncode, f"{installer} is not there" in done.stderr) == (1, True)
    write_installer(installer, 'echo "$@"; exit 4')
    done = server_root.hubctl("uninstall", str(installer))
    assert (done.returncode, done.stdout) == (4, f"--uninstall -p {sys.prefix}\n")
    done = server_root.hubctl("uninstall", "--purge", "--yes", str(installer))
    assert done.stdout == f"--uninstall -p {sys.prefix} --purge -b\n"


def test_the_shell_that_completes_a_word_waits_for_no_slow_library() -> None:
    slow = ("asyncio", "cryptography", "docker", "jupyterhub", "rich.console", "sqlalchemy", "tornado", "traitlets")
    code = f"import hubctl.cli, sys; print(*(name for name in {slow} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


INTERRUPTED = """
import importlib.abc, os, signal, sys

class CtrlC(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from hubctl.__main__ import main
main()
"""
"""`hubctl` that gets ctrl-C while it loads its libraries."""


def test_ctrl_c_before_hubctl_is_loaded_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_closed_output_is_one_that_nobody_reads() -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-B", "-m", "hubctl", "--version"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")
