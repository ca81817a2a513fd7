"""Whether this host can run a hub with these settings. Asked before JupyterHub, which is slow to load, is."""

import os
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

from hubctl import layout as places
from hubctl.errors import HubError
from hubctl.fulldisk import check_room
from hubctl.layout import Layout
from hubctl.settings import Settings

START_SIZE = 2**20
"""Bytes that a start has to find free in the hub's state: a new database and SQLite's journal of it are less."""


def check(settings: Settings, layout: Layout) -> None:
    """Refuses what would be unsafe or can't work.

    Raises:
        HubError: names what, and what to do.
    """
    root = os.geteuid() == 0
    if settings.auth == "shared-password" and settings.spawner == "local" and root:
        raise HubError(
            "`auth: shared-password` with `spawner: local` would run notebooks as root",
            "start the hub as an ordinary user, or set `auth: pam` or `spawner: docker` in hub.yaml",
        )
    if settings.auth != "shared-password" and settings.spawner == "local" and not root:
        raise HubError(
            f"`auth: {settings.auth}` with `spawner: local` starts servers as the users, and only root can",
            "start the hub as root, or set `auth: shared-password` in hub.yaml to try it",
        )
    key, cert = layout.below(settings.tls.key), layout.below(settings.tls.cert)
    for path in (key, cert):
        if not os.access(path, os.R_OK):
            problem = "can't be read" if path.exists() else "is not there"
            raise HubError(f"{path} {problem}", "`hubctl setup` makes a key and a certificate; `tls:` names others")
    if problem := pair_problem(key, cert):
        raise HubError(f"{key} and {cert} are no pair ({problem})", "`hubctl cert install KEY CERT` puts another there")
    if not os.access(layout.state, os.W_OK):
        problem = "can't be written to" if layout.state.exists() else "is not there"
        raise HubError(f"{layout.state} {problem}", "`hubctl setup` makes it, as the user that the hub runs as")
    check_room("The hub can't start", layout.state, START_SIZE)
    for path, line, problem in unreadable_python(layout):
        raise HubError(f"{path}:{line}: {problem}", "correct that line; the hub does not start")


def unreadable_python(layout: Layout) -> Iterator[tuple[Path, int, str]]:
    """What Python can't read of the files that the hub executes, with the lines; they are not executed here."""
    for path in (places.hub_config(), *sorted(layout.config_folder.glob("*.py"))):
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(path.read_bytes(), path, "exec")
        except (SyntaxError, ValueError) as error:  # ValueError: a null character
            yield path, getattr(error, "lineno", None) or 1, str(getattr(error, "msg", error))


def pair_problem(key: Path, cert: Path) -> str:
    """Why the proxy can't take a key and a certificate; empty where it can.

    Raises:
        OSError: one of them can't be read.
    """
    try:
        # an encrypted key is one that the proxy can't read either
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        return (error.reason or "not in PEM format").lower().replace("_", " ")
    return ""
