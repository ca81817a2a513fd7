"""What long steps show: one moving line on a terminal, plain lines in a log."""

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from forge.errors import redacted

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """One plain line for the person at the terminal (standard error; results go to standard output)."""
    console.print(redacted(message), markup=False)


class Step:
    """A step of ``total`` things, safe to advance from several threads.

    On a terminal: what, how many of how many, how long, moving in place. Elsewhere: a line when it starts, a line for
    each thing that took longer than ``slow`` seconds, and a line with the time taken when it ends.
    """

    slow = 10.0

    def __init__(self, title: str, total: int) -> None:
        self.title = title
        self.total = total
        self._done = 0
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> "Step":
        self._start = self._last = time.monotonic()
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[now]}"), console=console)
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.total, now="")
        else:
            say(f"{self.title}: {self.total}")
        return self

    def now(self, name: str) -> None:
        """Shows what is being worked on."""
        if self._bar:
            self._bar.update(self._task, now=name)

    def done(self, name: str) -> None:
        """Counts one thing as finished."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if self._bar:
                self._bar.update(self._task, advance=1, now=name)
            elif now - self._last > self.slow:
                say(f"{self.title}: {self._done} of {self.total}, {now - self._start:.0f} s: {name}")
                self._last = now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if isinstance(error, KeyboardInterrupt):
            return
        elapsed = time.monotonic() - self._start
        state = "done" if error is None else "stopped"
        say(f"{self.title}: {self._done} of {self.total} {state} in {elapsed:.1f} s")
