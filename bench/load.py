"""Everybody comes at once: who gets a server, what one who is there already feels, and what it costs in memory."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from bench.measure import Figure, resident
from forge.progress import say
from tests.crowd import come_at_once, containers_made
from tests.login import Session
from tests.realm_server import PASSWORD, RealmServer

INTERVAL = 0.2
"""Seconds between the requests of the one who watches."""


def measure(server: RealmServer, watcher: str, crowd: Sequence[str]) -> list[Figure]:
    """One crowd, on a hub that nobody has a server of.

    Raises:
        AssertionError: somebody did not get a server, or got two.
    """
    say(f"{len(crowd)} users at once")
    session = Session(server.address)
    session.log_in(watcher, PASSWORD)
    before = resident(server.hub_process)
    with containers_made(crowd) as made:
        began = time.monotonic()
        with _watching(session) as waits:
            visits = come_at_once(server, crowd)
        seconds = time.monotonic() - began
    grown = resident(server.hub_process) - before
    assert sorted(made) == sorted(crowd), "a container each, and no more"
    return [
        Figure(f"{len(crowd)} users at once, until each sees JupyterLab", seconds, "s"),
        Figure("their logins, median", statistics.median(visit.login for visit in visits), "s"),
        Figure("their servers, median", statistics.median(visit.spawn for visit in visits), "s"),
        Figure("/hub/home meanwhile, median", statistics.median(waits), "s"),
        Figure("/hub/home meanwhile, 99th percentile", statistics.quantiles(waits, n=100)[98], "s"),
        Figure("memory of the hub and its proxy for 100 users", grown * 100 / len(crowd) / 2**20, "MiB"),
    ]


@contextmanager
def _watching(session: Session) -> Iterator[list[float]]:
    """Opens the home page at fixed times, however long the others take; gives how long each took, in seconds.

    A new request does not wait for the last one: else a hub that stood still for long would be asked once in that time.
    """
    waits: list[float] = []
    over = threading.Event()
    with ThreadPoolExecutor(100) as pool:
        jobs: list[Future[None]] = []

        def open_home(due: float) -> None:
            session.get("/hub/home")
            waits.append(time.monotonic() - due)

        def keep_opening() -> None:
            due = time.monotonic()
            while not over.wait(max(0.0, due - time.monotonic())):
                jobs.append(pool.submit(open_home, due))
                due += INTERVAL

        clock = threading.Thread(target=keep_opening)
        clock.start()
        try:
            yield waits
        finally:
            over.set()
            clock.join()
    for job in jobs:
        job.result()
