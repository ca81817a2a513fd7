"""Ctrl-C, a polite kill, a closed terminal: the work in hand is dropped, and nothing half-done stays behind."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from forge import files, processes
from forge.progress import say

EXIT_CODE = 130
"""As of a program that ctrl-C has ended (128 and the signal's number)."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

requested = threading.Event()
"""Set once one of the signals has come: whatever error follows is its consequence."""


def catch() -> None:
    """From now on each of the signals raises ``KeyboardInterrupt`` in the main thread; one that is ignored stays so."""
    for sign in SIGNALS:
        if signal.getsignal(sign) != signal.SIG_IGN:
            signal.signal(sign, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once is enough: what cleans up now takes seconds at most, and must not be interrupted itself.
    for sign in SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
    requested.set()
    raise KeyboardInterrupt


def end() -> NoReturn:
    """Ends this process and all that it has started, at once: threads that wait for a mirror are not waited for."""
    processes.end_all()
    files.discard_unfinished()
    say("interrupted: the same command goes on from here")
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(EXIT_CODE)
