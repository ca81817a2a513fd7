"""Requests to the running hub, over https, to nobody else than the hub that has our certificate."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

from hubctl import certificate
from hubctl.layout import Layout
from hubctl.settings import Settings

READY_SECONDS = 180
"""How long a start may take until the hub answers; on a busy machine it takes a while."""


class NotOurHubError(Exception):
    """Another program answers on the hub's port; nothing was sent to it."""


@dataclass(frozen=True)
class Answer:
    """An answer's status code and JSON body (None where it is no JSON)."""

    status: int
    body: Any


def address(settings: Settings) -> str:
    """The host to connect to: the one the hub listens on, or this machine's loopback where it listens on all."""
    bind = settings.bind
    if bind.is_unspecified:
        return "::1" if bind.version == 6 else "127.0.0.1"
    return str(bind)


def public_url(settings: Settings) -> str:
    """What to type into a browser on this machine."""
    bind = settings.bind
    host = "localhost" if bind.is_unspecified or bind.is_loopback else f"[{bind}]" if bind.version == 6 else str(bind)
    return f"https://{host}:{settings.port}"


def get(settings: Settings, layout: Layout, path: str, token: str = "", timeout: float = 5) -> Answer:
    """GET from the hub, through the proxy.

    The listener must show the very certificate of our file: names and dates do not matter here, the key does.

    Args:
        timeout: seconds for each step.

    Raises:
        NotOurHubError: the listener shows another certificate, or speaks no TLS.
        OSError: nobody listens, or no answer in time.
    """
    return request("GET", settings, layout, path, token, timeout=timeout)


def request(
    method: str, settings: Settings, layout: Layout, path: str, token: str, body: Any = None, timeout: float = 5
) -> Answer:
    """As ``get``, with another method and a JSON body."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # replaced by the comparison below
    connection = http.client.HTTPSConnection(address(settings), settings.port, timeout=timeout, context=context)
    try:
        try:
            connection.connect()
        except ssl.SSLError as error:
            raise NotOurHubError(str(error)) from error
        if connection.sock.getpeercert(binary_form=True) != certificate.der(layout.below(settings.tls.cert)):
            raise NotOurHubError("another certificate")
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, headers={"Authorization": f"token {token}"} if token else {})
        response = connection.getresponse()
        text = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"no proper answer: {error!r}") from error
    finally:
        connection.close()
    try:
        return Answer(response.status, json.loads(text))
    except ValueError:
        return Answer(response.status, None)


def healthy(settings: Settings, layout: Layout) -> bool:
    """Whether the hub answers through the proxy."""
    try:
        return get(settings, layout, "/hub/health").status == 200
    except (OSError, NotOurHubError):
        return False
