"""Figures, and what one command costs: wall and CPU seconds, and the memory of all its processes together."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, in which unit, and the bound that it is held against, if any."""

    name: str
    value: float
    unit: str
    bound: float | None = None


@dataclass(frozen=True)
class Cost:
    """``wall`` and ``cpu`` in seconds; ``peak`` in bytes: the largest sum of resident memory that was seen."""

    wall: float
    cpu: float
    peak: int


def cost(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, interval: float = 0.5
) -> Cost:
    """Runs ``command`` to its end and says what it cost.

    Args:
        interval: seconds between two looks at its memory; looking often takes time from what is measured.

    Raises:
        subprocess.CalledProcessError: it failed; a figure of a failure means nothing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL)
    peak = _Peak(process.pid, interval)
    peak.start()
    code = process.wait()
    wall = time.monotonic() - start
    peak.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak.bytes)


class _Peak(threading.Thread):
    """Watches the resident memory of a process and of all that come from it, every ``interval`` seconds."""

    def __init__(self, root: int, interval: float) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._root = root
        self._interval = interval
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._interval):
            self.bytes = max(self.bytes, resident(self._root))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def resident(root: int) -> int:
    """The memory of the process ``root`` and of its descendants, in bytes; shared pages count once for each."""
    pages: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        pages[int(entry.name)] = int(fields[21])
        children.setdefault(int(fields[1]), []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        total += pages.get(process, 0)
        waiting += children.get(process, [])
    return total * PAGE
