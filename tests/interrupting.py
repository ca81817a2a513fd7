"""Types ctrl-C at a command when something has come about.

As a program, for a server's own Python: `python interrupting.py CONDITION COMMAND…`, the condition in words of a shell;
prints what the command said to it, and ends with its exit code. Only the standard library can be imported here.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.waiting import wait_for


def interrupted(condition: str, command: list[str]) -> tuple[int, str]:
    """Its exit code, and what it said; as at a terminal, the programs that it runs get the signal, too."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_for(condition, lambda: subprocess.run(condition, shell=True).returncode == 0)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate()
    return process.returncode, said


if __name__ == "__main__":
    code, said = interrupted(sys.argv[1], sys.argv[2:])
    print(said, end="")
    sys.exit(code)
