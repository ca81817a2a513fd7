"""Many users who log in and start their servers at the same moment, each as a browser would do it."""

import html
import os
import re
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from tests.login import Session
from tests.realm_server import PASSWORD, RealmServer


@dataclass(frozen=True)
class Visit:
    """What one user waited for, in seconds.

    Attributes:
        login: from the login form sent to the spawn page.
        spawn: from the spawn page sent to JupyterLab's page.
    """

    user: str
    login: float
    spawn: float


def come_at_once(server: RealmServer, users: Sequence[str]) -> list[Visit]:
    """Lets all log in at the same moment, and each go on as fast as it goes.

    Raises:
        AssertionError: somebody did not get a server.
    """
    ready = threading.Barrier(len(users))
    with ThreadPoolExecutor(len(users)) as pool:
        return list(pool.map(lambda user: _visit(server, user, ready), users))


@contextmanager
def containers_made(users: Sequence[str]) -> Iterator[list[str]]:
    """A list of those of the users for whom Docker makes a container meanwhile, each as often as it does.

    It is filled at the end. Docker is listened to from the beginning, as afterwards it knows its last 256 events alone,
    and each command of anybody else's in a container is one or more.
    """
    made: list[str] = []
    names = {f"jupyter-{user}": user for user in users}
    shown = '{{if eq .Type "volume"}}{{.Actor.ID}}{{else}}{{.Actor.Attributes.name}}{{end}}'
    listen = ["docker", "events", f"--since={time.time():.3f}", "--filter=event=create", f"--format={shown}"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listening:
        try:
            yield made
            made += [names[name] for name in _created_until_now(listening) if name in names]
        finally:
            listening.terminate()


def _created_until_now(listening: subprocess.Popen[str]) -> Iterator[str]:
    """The names that it has told: a volume of our own is the last of them."""
    last = f"hubforge-heard-{os.getpid()}"
    assert listening.stdout is not None
    subprocess.run(["docker", "volume", "create", last], check=True, stdout=subprocess.DEVNULL)
    try:
        yield from takewhile(lambda name: name != last, map(str.strip, listening.stdout))
    finally:
        subprocess.run(["docker", "volume", "rm", last], check=True, stdout=subprocess.DEVNULL)


def _visit(server: RealmServer, user: str, ready: threading.Barrier) -> Visit:
    session = Session(server.address)
    token = session.login_token()
    ready.wait(60)
    began = time.monotonic()
    page = session.log_in(user, PASSWORD, token)
    logged_in = time.monotonic()
    action = re.search(r'id="spawn_form"\s+action="([^"]+)"', page)
    assert action, f"{user} does not get the spawn page:\n{page}"
    try:
        with session.open(html.unescape(action[1]), {"image": "Notebook"}):
            pass
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{user} can't start a server:\n{error.read().decode()}") from None
    session.wait_for_server(user)
    assert "jupyter-config-data" in session.get(f"/user/{user}/lab"), f"{user} does not see JupyterLab"
    return Visit(user, logged_in - began, time.monotonic() - logged_in)
