"""What a user's containers have printed."""

import signal
import sys
import threading
from typing import Any

from hubctl import images
from hubctl.errors import HubError
from hubctl.settings import Settings


def show(settings: Settings, user: str, follow: bool, lines: int) -> None:
    """Prints the last lines of each server of a user; with ``follow`` also what comes, until the containers end.

    Raises:
        HubError: servers are no containers, Docker does not answer, or the user has none.
    """
    if settings.spawner != "docker":
        raise HubError("Servers of `spawner: local` write into the hub's own log", "`hubctl logs` shows it")
    # Docker is silent for as long as the container is
    with images.engine(timeout=None if follow else 60) as client:
        found = [container for container in client.containers.list(all=True) if _user_of(container) == user]
        if not found:
            raise HubError(f"{user} has no container", "`hubctl user list` shows who has servers")
        several = len(found) > 1
        # as `tail` ends: of several threads, each would tell of the closed pipe
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        tails = [
            threading.Thread(target=_print, args=(container, follow, lines, several), daemon=True)
            for container in found
        ]
        for tail in tails:
            tail.start()
        for tail in tails:
            tail.join()


def _user_of(container: Any) -> str | None:
    """As JupyterHub has told the server."""
    variables = container.attrs["Config"]["Env"] or []
    return next((entry.partition("=")[2] for entry in variables if entry.startswith("JUPYTERHUB_USER=")), None)


def _print(container: Any, follow: bool, lines: int, named: bool) -> None:
    prefix = f"{container.name}: " if named else ""
    rest = b""
    for piece in container.logs(stream=True, follow=follow, tail=lines):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            sys.stdout.write(f"{prefix}{line.decode(errors='replace')}\n")
        sys.stdout.flush()
    if rest:
        sys.stdout.write(f"{prefix}{rest.decode(errors='replace')}\n")
