"""``kill -9`` at a point that the test chooses: just before a file gets or loses a name."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

EVENTS = ("os.rename", "os.remove", "os.link")
"""Python's own audit events (PEP 578) of what changes names."""


def killed(act: Callable[[], object], number: int, folder: Path) -> bool:
    """Does ``act`` in a process that is killed just before the ``number``-th change of a name below ``folder``.

    Returns:
        Whether there were so many: else it has done all of it.
    """
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the action itself failed"
        return os.WIFSIGNALED(status)
    try:
        sys.addaudithook(_Killer(number, folder))
        act()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    os._exit(1)


class _Killer:
    def __init__(self, number: int, folder: Path) -> None:
        self.left = number
        self.folder = str(folder)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and any(str(argument).startswith(self.folder) for argument in arguments):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
