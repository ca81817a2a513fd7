"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(
    what: str, condition: Callable[[], Found], seconds: float = 120, more: Callable[[], str] = lambda: ""
) -> Found:
    """What ``condition()`` gives, once it is true; fails with ``what`` was waited for, and what ``more()`` says."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}\n{more()}"
        time.sleep(0.1)
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (``Z`` and ``X`` in proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
