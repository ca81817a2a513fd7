"""Other programs, each a group of its own: ctrl-C reaches the build tool alone, which ends them and theirs."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

GRACE = 3.0
"""Seconds that a program has to end by itself when it is asked to."""

GONE = (FileNotFoundError, ProcessLookupError)
"""What opening a file of a process in /proc raises when that has ended, and what reading it does."""


def run(
    command: Sequence[str | Path],
    *,
    limit: float | None = None,
    grace: float = GRACE,
    sign: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` with text, nothing to read, and no check; an exception ends the whole group.

    Args:
        limit: seconds that it may take.
        grace: seconds that it has to clean up behind itself when it is ended.
        sign: how it is asked to.
        options: ``subprocess.Popen``'s.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``limit``.
    """
    settings = {"stdin": subprocess.DEVNULL, "text": True, "errors": "replace", **options}
    with ending(subprocess.Popen(command, start_new_session=True, **settings), grace, sign) as process:
        output, errors = process.communicate(timeout=limit)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


@contextlib.contextmanager
def ending(
    process: "subprocess.Popen[Any]", grace: float = GRACE, sign: signal.Signals = signal.SIGTERM
) -> Iterator["subprocess.Popen[Any]"]:
    """A block that ends ``process``, which leads a group (``start_new_session``), and its group when it raises."""
    try:
        yield process
    except BaseException:
        _end([process.pid], os.killpg, grace, sign)
        process.wait()
        raise


def end_all() -> None:
    """Ends every program that this process has started and that still runs."""
    _end(_children(), _signal, 1.0, signal.SIGTERM)


def _children() -> list[int]:
    """This process's own children (proc_pid_task(5), ``children``)."""
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(*GONE):
            found += [int(pid) for pid in path.read_text().split()]
    return found


def _end(pids: Sequence[int], kill: Callable[[int, int], None], grace: float, sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            kill(pid, sign)
    deadline = time.monotonic() + grace
    while any(map(_is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _signal(pid: int, sign: int) -> None:
    """To the group that ``pid`` leads; to it alone where it leads none."""
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        os.kill(pid, sign)


def _is_alive(pid: int) -> bool:
    """Whether it runs: one that has ended and that nobody has asked about yet does not (``Z``, proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except GONE:
        return False
