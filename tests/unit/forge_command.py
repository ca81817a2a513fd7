"""Commands of the build tool made up for a test: run as ``python -m forge`` runs its own, in a process of their own."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forge.paths import ROOT
from tests.waiting import wait_for

_PROGRAM = """
from forge import interruption
interruption.catch()
import sys
from forge import cli

@cli.app.command()
def made_up():
{body}

sys.argv = ["forge", "made-up"]
cli.main()
"""


def start_command(body: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts the command whose code is ``body``, as a process group of its own, as a shell does on a terminal."""
    return start_python(_PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    ")), **options)


def start_python(program: str, *, wrapper: Sequence[str] = (), **options: Any) -> "subprocess.Popen[str]":
    """Starts Python with ``program``, as a process group of its own; ``wrapper`` is a command that runs it."""
    settings = {"stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "start_new_session": True, **options}
    return subprocess.Popen([*wrapper, sys.executable, "-c", program], **settings)


def ctrl_c(process: "subprocess.Popen[str]", sign: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    """What a terminal does: the signal goes to the whole group. The exit code, and what stood on standard error."""
    os.killpg(process.pid, sign)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def once_written(path: Path, seconds: float = 60) -> str:
    """The content of a file, once there is some."""
    return wait_for(str(path), lambda: path.read_text().strip() if path.exists() else "", seconds)
