"""A few things at once, so that ctrl-C is not kept waiting by a mirror that hangs."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_GRACE = 1.0
"""Seconds that interrupted work has to remove its temporary files."""


def each(work: Callable[[Item], Result], items: Sequence[Item], workers: int, stop: threading.Event) -> list[Result]:
    """``work`` of every item, in their order, ``workers`` at a time; the first error ends it.

    The threads are daemons: one that waits for a mirror dies with the process (``ThreadPoolExecutor`` joins them).

    Args:
        stop: set when the work is not wanted any more; ``work`` may look at it.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | None, BaseException | None]] = queue.SimpleQueue()
    for number in range(len(items)):
        todo.put(number)

    def serve() -> None:
        while not stop.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, work(items[number]), None))
            except BaseException as error:
                done.put((number, None, error))

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(workers, len(items)))]
    results: dict[int, Result] = {}
    try:
        for thread in threads:
            thread.start()
        for _ in items:
            number, result, error = done.get()
            if error is not None:
                raise error
            results[number] = result  # type: ignore[assignment]
    finally:
        stop.set()
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
    return [results[number] for number in range(len(items))]
