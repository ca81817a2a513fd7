"""One single sign-on: the token that a browser sent, and what came of it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterhub_kerberos import programs
from jupyterhub_kerberos.errors import NegotiationError

_LONGEST_TOKEN = 1 << 17
"""Characters. Active Directory's tokens have up to 64 KB, and some more for the ticket that is passed on."""


class Negotiation(dict[str, Any]):
    """Stands for the login form's data; empty, so that it is never taken for a form that was sent."""

    def __init__(self, token: str, ticket_needed: bool) -> None:
        super().__init__()
        self.token = token
        self.ticket_needed = ticket_needed
        """Whether the browser's user is one whose ticket is over."""
        self.reply = ""
        """The token for the browser."""


@dataclass(frozen=True)
class Identity:
    """Who a browser's user is: proven by the keytab. ``tickets``: a FILE cache, empty if none was passed on."""

    principal: str
    reply: str
    tickets: bytes


async def accept(token: str, *, keytab: Path, scratch: Path, krb5_conf: str, limit: float) -> Identity:
    """Checks a token against the keytab. Asks no KDC.

    Args:
        scratch: a folder that only the hub can write to.

    Raises:
        NegotiationError: it proves nothing.
    """
    if len(token) > _LONGEST_TOKEN:
        raise NegotiationError(f"a token of {len(token)} characters")
    question = {"token": token, "scratch": str(scratch)}
    try:
        answer = await programs.ask("accept", question, keytab=str(keytab), krb5_conf=krb5_conf, limit=limit)
    except (OSError, TimeoutError) as error:
        raise NegotiationError(f"the token could not be looked at: {error}") from error
    if "error" in answer:
        raise NegotiationError(answer["error"])
    return Identity(answer["principal"], answer["reply"], base64.b64decode(answer["tickets"]))
