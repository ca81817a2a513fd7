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


offers = pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], ["start", "stop", "status"]),
        (["config", "s"], ["show", "set"]),
        (["config", "set", "limits.m"], ["limits.memory"]),
        (["config", "add", "admin"], ["admin_users", "admin_groups"]),
        (["doctor", "--e"], ["--end-leftovers"]),
    ],
)


@offers
def test_bash_offers_what_goes_on(words: list[str], offered: list[str]) -> None:
    script = completion(_HUBCTL_COMPLETE="source_bash")
    line = f"COMP_WORDS=(hubctl {' '.join(words)}); COMP_CWORD={len(words)}"
    ask = f'{script}\n{line}\n_hubctl_completion "$1"\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask, "bash", HUBCTL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


def in_a_shell(home: Path, *command: str) -> str:
    """What a shell of a user whose `hubctl` is on PATH prints."""
    variables = {"HOME": str(home), "ZDOTDIR": str(home), "TERM": "xterm", "LANG": "C.UTF-8"}
    variables |= {"PATH": f"{HUBCTL.parent}:/usr/bin:/bin"}
    variables |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=home, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@offers
def test_fish_offers_what_goes_on(words: list[str], offered: list[str], tmp_path: Path) -> None:
    script = tmp_path / "hubctl.fish"
    script.write_text(completion(_HUBCTL_COMPLETE="source_fish"))
    assert in_a_shell(tmp_path, "fish", "--no-execute", str(script)) == ""
    ask = f"source {script}; complete --do-complete '{' '.join(['hubctl', *words])}'"
    said = in_a_shell(tmp_path, "fish", "--no-config", "--command", ask)
    assert [line.split("\t")[0] for line in said.splitlines()] == sorted(offered)


ZSHRC = """
autoload -Uz compinit
compinit -u -D
source $HOME/hubctl.zsh
tell() { print -rn -- $BUFFER >$HOME/told; exit }
zle -N tell
bindkey '^T' tell
"""
"""For the person at the terminal: the word is completed by the tabulator; ctrl-T, ours, tells what the line is then."""

TYPE = r"""
zmodload zsh/zpty
zpty shell zsh --no-globalrcs -i
zpty -w -n shell "$1"$'\t\x14'
zpty -r shell said '*it reads to the end of the shell*'
exit 0
"""


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("hubctl stat", "hubctl status "),
        ("hubctl config va", "hubctl config validate "),
        ("hubctl config set limits.m", "hubctl config set limits.memory "),
        ("hubctl config add admin", "hubctl config add admin_"),
        ("hubctl doctor --e", "hubctl doctor --end-leftovers "),
    ],
)
def test_zsh_types_what_goes_on_as_far_as_it_is_clear(typed: str, completed: str, tmp_path: Path) -> None:
    script = tmp_path / "hubctl.zsh"
    script.write_text(completion(_HUBCTL_COMPLETE="source_zsh"))
    assert in_a_shell(tmp_path, "zsh", "-n", str(script)) == ""
    (tmp_path / ".zshrc").write_text(ZSHRC)
    in_a_shell(tmp_path, "zsh", "-f", "-c", TYPE, "zsh", typed)
    assert (tmp_path / "told").read_text() == completed


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
