"""Users and their servers, as the running hub knows them."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hubctl import api, tokens
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings

END_SECONDS = 120
"""How long a server may take to end: Docker gives it ten seconds, more on a busy machine."""


@dataclass(frozen=True)
class Server:
    """A user's server.

    Attributes:
        name: empty for the user's first one.
        started: ISO 8601, UTC.
    """

    user: str
    name: str
    ready: bool
    started: str | None
    last_activity: str | None


@dataclass(frozen=True)
class User:
    """Somebody who has logged in once, or is named in the settings.

    Attributes:
        last_activity: ISO 8601, UTC; None for somebody who was never there.
        servers: those that run, or are being started.
    """

    name: str
    admin: bool
    last_activity: str | None
    servers: list[Server]


def ask(settings: Settings, layout: Layout, *, active: bool = False) -> list[User]:
    """All users, or those with servers that run. Asks page by page: the hub caps the length of an answer.

    Raises:
        HubError: the hub does not run, or can't be asked.
    """
    found: list[User] = []
    while True:
        query = f"?offset={len(found)}{'&state=active' if active else ''}"
        answer = _request("GET", settings, layout, query)
        if answer.status != 200 or not isinstance(answer.body, list):
            raise HubError(f"The hub refuses to tell its users (status {answer.status})", "`hubctl logs` shows why")
        if not answer.body:
            return found
        found += [_user(entry) for entry in answer.body]


def stop(settings: Settings, layout: Layout, user: str) -> list[Server]:
    """Ends the servers of a user and waits until they are gone; gives those that ran.

    Raises:
        HubError: the hub does not run, does not know the user, or could not end a server.
    """
    ended = _find(settings, layout, user).servers
    for server in ended:
        path = f"/{_part(user)}/{f'servers/{_part(server.name)}' if server.name else 'server'}"
        answer = _request("DELETE", settings, layout, path, timeout=END_SECONDS)
        if answer.status not in (202, 204):
            reason = (answer.body or {}).get("message", f"status {answer.status}")
            raise HubError(f"The hub did not end a server of {user}: {reason}", "`hubctl logs` shows more")
    deadline = time.monotonic() + END_SECONDS
    while _find(settings, layout, user).servers:
        if time.monotonic() > deadline:
            raise HubError(f"Servers of {user} did not end within {END_SECONDS} s", "`hubctl logs` shows why")
        time.sleep(0.5)
    return ended


def revoke_admin(settings: Settings, layout: Layout, user: str) -> None:
    """Takes an administrator's rights away in the running hub, which keeps them whatever the settings say.

    Raises:
        HubError: the hub can't be asked, or refuses.
    """
    answer = _request("PATCH", settings, layout, f"/{_part(user)}", {"admin": False})
    if answer.status not in (200, 404):
        raise HubError(f"The hub leaves {user} an administrator (status {answer.status})", "`hubctl logs` shows why")


def _find(settings: Settings, layout: Layout, name: str) -> User:
    answer = _request("GET", settings, layout, f"/{_part(name)}")
    if answer.status == 404:
        raise HubError(f"The hub does not know a user {name}", "`hubctl user list` shows whom it knows")
    if answer.status != 200:
        raise HubError(f"The hub refuses to tell of {name} (status {answer.status})", "`hubctl logs` shows why")
    return _user(answer.body)


def _part(name: str) -> str:
    """A name as one part of an address: with the slash in it, another address would answer."""
    return quote(name, safe="")


def _user(entry: dict[str, Any]) -> User:
    name = entry["name"]
    servers = [
        Server(name, server["name"], server["ready"], server["started"], server["last_activity"])
        for server in entry.get("servers", {}).values()
    ]
    return User(name, entry["admin"], entry["last_activity"], servers)


def _request(
    method: str, settings: Settings, layout: Layout, path: str, body: Any = None, timeout: float = 5
) -> api.Answer:
    token = tokens.read_or_make(layout.hubctl_token)
    try:
        answer = api.request(method, settings, layout, f"/hub/api/users{path}", token, body, timeout)
        if answer.status == 503:
            raise ConnectionError("its proxy does: status 503")
        return answer
    except OSError as error:
        raise HubError(f"The hub does not answer ({error})", "`hubctl status` shows whether it runs") from None
    except api.NotOurHubError as error:
        what = f"Another program than the hub answers at {api.public_url(settings)} ({error})"
        raise HubError(what, "`hubctl doctor` says more") from None
