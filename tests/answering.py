"""Answers what a command asks on a terminal.

As a program, for a server's own Python: `python answering.py COMMAND…`, its standard input a JSON object of questions
and what is typed then; prints what was said, and ends with the command's exit code. Only the standard library can be
imported here.
"""

import json
import os
import pty
import sys
import time
from collections.abc import Mapping
from pathlib import Path

CTRL_C, CTRL_D = "\x03", "\x04"


def answered(command: list[str], answers: Mapping[str, str]) -> tuple[int, str]:
    """Runs a command whose terminal we are; each answer is typed when its question stands there, in this order.

    Returns:
        Its exit code, and all that it said.

    Raises:
        EOFError: it ended without having asked.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    said = ""
    for question, keys in answers.items():
        before = len(said)
        while question not in said[before:]:
            if not (more := _read(terminal)):
                raise EOFError(f"it did not ask {question!r}:\n{said}")
            said += more
        _wait_for_the_reader(process)
        os.write(terminal, keys.encode())
    while more := _read(terminal):
        said += more
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said.replace("\r\n", "\n")


def _wait_for_the_reader(process: int) -> None:
    """Until it sleeps. A ctrl-C after the question and before the system call that reads would be lost on Python."""
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("S", "Z"):
        time.sleep(0.01)


def _read(terminal: int) -> str:
    """What comes next; nothing when nobody has the terminal any more."""
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # EIO, see pty(7)
        return ""


if __name__ == "__main__":
    code, text = answered(sys.argv[1:], json.load(sys.stdin))
    print(text, end="")
    sys.exit(code)
