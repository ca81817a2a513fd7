"""Keeping users' tickets alive, and asking for the password when that is over."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from tornado.ioloop import PeriodicCallback
from tornado.web import RequestHandler

from jupyterhub_kerberos.errors import KdcUnreachableError, NoSpaceError, TicketError
from jupyterhub_kerberos.programs import Account
from jupyterhub_kerberos.settings import KerberosSettings
from jupyterhub_kerberos.tickets import Ticket

GOES_ON = "Type your password to get a new one; your server goes on running."
MISSING = f"You have no Kerberos ticket. {GOES_ON}"
OVER = f"Your Kerberos ticket is over. {GOES_ON}"
ENDS = f"Your Kerberos ticket ends soon, and can't be renewed. {GOES_ON}"
REFUSED = f"Your Kerberos ticket can't be renewed any more. {GOES_ON}"
NO_ACCOUNT = "You have no account on this server any more. Please ask its administrator."

_CHECK_EVERY = 300
"""Seconds; used where JupyterHub's own ``auth_refresh_age`` is switched off."""


class RenewingAuthenticator(KerberosSettings):
    """Renews tickets in the background; no request waits for a KDC."""

    ticket_required = True
    """Whether who has no ticket at all has to log in again."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._renewals: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, object] = {}
        """By user, which ticket the KDC would not renew."""

    async def refresh_user(self, user: Any, handler: RequestHandler | None = None) -> bool:
        """Whether the user can go on without typing the password; why not, the login page tells.

        A ticket is renewed in the background before half of its lifetime is gone.
        """
        reason = await self._why_password(user.name)
        if reason is not None and handler is not None:
            handler.ticket_notice = (user.name, reason)  # type: ignore[attr-defined]
        return reason is None

    async def _why_password(self, username: str) -> str | None:
        """The sentence for the login page; None if the ticket is good, or it can't be told whether it is."""
        try:
            account = await asyncio.to_thread(Account.of, username)
            ticket = await self.tickets.status(account)
        except KeyError:
            self.log.warning("%s has no account on this host any more", username)
            return NO_ACCOUNT
        except (OSError, TicketError) as error:
            # that says nothing about the ticket: no reason to throw the user out
            self.log.error("Cannot look at the ticket of %s: %s", username, error)
            return None
        reason = self._judge(account, ticket)
        if reason is not None:
            self.log.info("%s: %s", username, reason)
        return reason

    def _judge(self, account: Account, ticket: Ticket | None) -> str | None:
        now = datetime.now(UTC)
        if ticket is None:
            return MISSING if self.ticket_required else None
        if not ticket.is_valid(now):
            return OVER
        if account.name in self._refused and self._refused[account.name] == self._identity(account):
            return REFUSED
        if ticket.is_due(now):
            self._start_renewal(account, ticket)
        return ENDS if ticket.is_last_call(now) else None

    def _start_renewal(self, account: Account, ticket: Ticket) -> None:
        if account.name not in self._renewals:
            task = asyncio.create_task(self._renew(account, ticket))
            self._renewals[account.name] = task
            task.add_done_callback(lambda _: self._renewals.pop(account.name))

    def _identity(self, account: Account) -> object:
        return self.tickets.folders.identity(account.name)

    async def _renew(self, account: Account, ticket: Ticket) -> None:
        identity = self._identity(account)
        try:
            await self.tickets.renew(account)
        except (KdcUnreachableError, NoSpaceError) as error:
            self.log.warning("The ticket of %s, good until %s, was not renewed: %s", account.name, ticket.end, error)
        except TicketError as error:
            self.log.warning("The ticket of %s, good until %s, can't be renewed: %s", account.name, ticket.end, error)
            self._refused[account.name] = identity
        except Exception:
            # a task of its own: nobody else would tell
            self.log.exception("Renewing the ticket of %s failed", account.name)
        else:
            self._refused.pop(account.name, None)
            self.log.info("Renewed the ticket of %s", account.name)

    # A server whose user is away and whose kernels print nothing makes no request on which the hub would look.

    def keep_renewing(self, users: Any) -> None:
        """Looks after the tickets of all users who have a server, as long as the event loop runs.

        Args:
            users: the hub's users, by name or number.
        """
        seconds = self.auth_refresh_age or _CHECK_EVERY
        PeriodicCallback(lambda: self._renew_for_servers(users), seconds * 1000, jitter=0.1).start()

    async def _renew_for_servers(self, users: Any) -> None:
        for user in list(users.values()):
            if any(spawner.active for spawner in user.spawners.values()):
                await self._why_password(user.name)
