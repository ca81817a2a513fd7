"""What users wait for: at the login, until their server is there, and when all of them come at once.

A server of its own (``tests/realm_server.py``) is set up for it: the installed hub with its defaults, PAM, a KDC, and
the users' image. Nothing else should run on the machine.
"""

from bench import browsing, load, spawning
from bench.measure import Figure
from forge import build, image
from forge.checks import docker_engine
from tests.realm_server import realm_server

CROWD = 50
"""Users who come at once."""


def measure() -> list[Figure]:
    """Every figure of what users wait for."""
    installer = build.make_installer()
    with docker_engine():
        image.make()
        with realm_server(installer, users=("first", "watcher", *(f"user{n:02}" for n in range(CROWD)))) as server:
            first, watcher, *crowd = server.users
            return [
                *spawning.measure(server, first),
                *browsing.measure(server, first),
                *load.measure(server, watcher, crowd),
            ]
