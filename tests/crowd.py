"""Many users who log in and start their servers at the same moment, each as a browser would do it."""

import html
import re
import subprocess
import threading
import time
import urllib.error
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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


def containers_made(since: float, users: Sequence[str]) -> list[str]:
    """The users for whom Docker has made a container since then, in that order; one that was replaced counts twice.

    Args:
        since: seconds since 1970.
    """
    span = [f"--since={since:.3f}", f"--until={time.time():.3f}"]
    shown = ["--filter=event=create", "--format={{.Actor.Attributes.name}}"]
    told = subprocess.run(["docker", "events", *span, *shown], check=True, capture_output=True, text=True)
    names = {f"jupyter-{user}": user for user in users}
    return [names[name] for name in told.stdout.split() if name in names]


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
