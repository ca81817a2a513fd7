"""The authenticator: PAM decides who logs in, then the user gets a ticket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import maybe_future
from tornado import web

from jupyterhub_kerberos.cache import SAFE_NAME
from jupyterhub_kerberos.errors import (
    ClockSkewError,
    NoAccountError,
    NotAllowedError,
    TicketError,
    TooManyLoginsError,
    UnusableTicketError,
    WrongPasswordError,
)
from jupyterhub_kerberos.handlers import TicketLoginHandler, TicketLogoutHandler
from jupyterhub_kerberos.pam import PamTickets
from jupyterhub_kerberos.programs import Account
from jupyterhub_kerberos.renewal import RenewingAuthenticator
from jupyterhub_kerberos.tickets import Ticket

_LOGINS_AT_ONCE = 200
"""Each is a process of 15 MB while it waits for PAM. A KDC that does not answer lets them pile up."""

_LONGEST_NAME = 256
_LONGEST_PASSWORD = 500
"""In bytes; PAM takes no more (``PAM_MAX_RESP_SIZE`` is 512), and cuts off the rest without a word."""


def _page(error: TicketError) -> web.HTTPError:
    """What shows the user the error's sentence: the login form, or the page of a server that is not started."""
    page = web.HTTPError(error.status, error.sentence)
    page.jupyterhub_message = error.sentence  # type: ignore[attr-defined]  # also where a spawn fails
    return page


class KerberosPAMAuthenticator(RenewingAuthenticator):
    """PAM checks the password and the account, then the user gets a renewable ticket.

    It is the one that PAM's own modules have got, or kinit gets it with the typed password. It lies in
    ``ticket_folder/USER/krb5cc``. User servers find it by ``KRB5CCNAME``; DockerSpawner's containers get the folder
    mounted, so that they see renewed tickets.

    Run the hub as root: only root can act with the users' rights.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._free_logins = asyncio.Semaphore(_LOGINS_AT_ONCE)
        # JupyterHub 6.1 reads it on each request of a user whose ticket is over, but sets it only where a token came.
        if not hasattr(BaseHandler, "_token_authenticated"):
            BaseHandler._token_authenticated = False

    def get_handlers(self, app: Any) -> list[tuple[str, type[web.RequestHandler]]]:
        """The pages for logging in and out. JupyterHub calls it once, at its start."""
        self.keep_renewing(app.users)
        return [("/login", TicketLoginHandler), ("/logout", TicketLogoutHandler)]

    # -- names ---------------------------------------------------------------------------------------------------------

    def normalize_username(self, username: str) -> str:
        """The local account's name: without the realm, if it is ours (``alice@EXAMPLE.ORG``); lower case."""
        name, at, realm = username.rpartition("@")
        if at and realm.casefold() == self.realm.casefold():
            username = name
        return str(super().normalize_username(username))

    def validate_username(self, username: str) -> bool:
        """Whether a name can safely be a folder's name, and a principal's."""
        return bool(SAFE_NAME.fullmatch(username)) and bool(super().validate_username(username))

    async def check_allowed(self, username: str, authentication: dict[str, Any] | None = None) -> bool:
        """Whether the user may log in: by name or group. Groups may come over the network, so the hub doesn't wait."""
        return bool(await asyncio.to_thread(super().check_allowed, username, authentication))

    # -- login ---------------------------------------------------------------------------------------------------------

    async def authenticate(self, handler: web.RequestHandler | None, data: dict[str, str]) -> str | None:
        """The user's name if PAM takes the password and the account, and a ticket could be had; else None.

        Raises:
            tornado.web.HTTPError: something else than the password is wrong; its message is for the user.
        """
        username = self._local_name(data["username"])
        if username is None:
            return None
        if len(data["password"].encode()) > _LONGEST_PASSWORD or "\0" in data["password"]:
            self.log.warning("Refused a login as %s: no valid password, %i letters", username, len(data["password"]))
            return None
        async with self._telling_why():
            await self._login(username, data)
            return username
        return None

    def _local_name(self, typed: str) -> str | None:
        """The name of a local account that ``typed`` may stand for."""
        if len(typed) > _LONGEST_NAME:
            self.log.warning("Refused a login with a name of %i characters", len(typed))
            return None
        username = self.normalize_username(typed)
        if not self.validate_username(username):
            self.log.warning("Refused a login as %r: no valid name", username)
            return None
        return username

    @asynccontextmanager
    async def _telling_why(self) -> AsyncIterator[None]:
        """Errors become the page for the user and a line for the administrator; a wrong password only the line."""
        try:
            if self._free_logins.locked():
                raise TooManyLoginsError(f"{_LOGINS_AT_ONCE} logins wait for PAM or the KDC of {self.realm}")
            async with self._free_logins:
                yield
        except WrongPasswordError as error:
            self.log.warning("%s", error)
        except (OSError, TicketError) as error:
            reason = error if isinstance(error, TicketError) else self.tickets.trouble(str(error))
            level = logging.ERROR if reason.status >= 500 else logging.WARNING
            self.log.log(level, "Login refused (realm %s): %s", self.realm, reason)
            raise _page(reason) from error

    async def _login(self, username: str, data: dict[str, str]) -> None:
        """Raises:
        TicketError: the user is not let in.
        """
        account = await self._account(username)
        allowed = await self._may_enter(username)
        passwords = [data[key] for key in ("password", "otp") if key in data]
        try:
            tickets = await self.pam.login(account, passwords, await self._scratch() if allowed else None)
        except WrongPasswordError:
            await self.tickets.ask_why(account)  # PAM says no more than that it was refused
            raise
        # said only to who has proved to be that user
        if not allowed:
            raise NotAllowedError(f"{username} is in none of the allowed groups: {', '.join(self.allowed_groups)}")
        ticket = await self._adopt(account, tickets) or await self.tickets.obtain(account, data["password"])
        self._log_ticket(account, ticket)

    async def _account(self, username: str) -> Account:
        try:
            return await asyncio.to_thread(Account.of, username)
        except KeyError as error:
            raise NoAccountError(f"{username} has no account on this host") from error

    async def _may_enter(self, username: str) -> bool:
        authentication = {"name": username}
        if not await maybe_future(self.check_blocked_users(username, authentication)):
            return False
        return bool(await self.check_allowed(username, authentication))

    async def _scratch(self) -> Path:
        folders = self.tickets.folders
        await asyncio.to_thread(folders.make_root)
        return folders.root

    async def _adopt(self, account: Account, tickets: PamTickets) -> Ticket | None:
        """Takes the tickets that PAM has made, if they are the user's."""
        if not tickets.content:
            if tickets.origin:
                self.log.warning("PAM made %s for %s, which can't be read", tickets.origin, account.name)
            return None
        try:
            ticket = await self.tickets.adopt(account, tickets.content, just_made=True)
        except (ClockSkewError, UnusableTicketError) as error:
            # kinit gets another one, or finds the clock wrong, too: SSSD may have given an old one
            self.log.warning("PAM made %s for %s: %s", tickets.origin, account.name, error)
            return None
        self.log.info("PAM has got the ticket of %s: %s", account.name, tickets.origin)
        return ticket

    def _log_ticket(self, account: Account, ticket: Ticket) -> None:
        renewable = f"renewable until {ticket.renew_until}" if ticket.is_renewable else "not renewable"
        self.log.info("Ticket for %s@%s until %s, %s", account.name, self.realm, ticket.end, renewable)

    # -- servers -------------------------------------------------------------------------------------------------------

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Tells the user's server where the ticket is.

        Sets ``KRB5CCNAME`` in ``spawner.environment``. A spawner whose ``volumes`` is a dict, as DockerSpawner's, gets
        the user's ticket folder mounted at the same path: the folder, since renewal replaces the file.

        Raises:
            tornado.web.HTTPError: the folder cannot be made.
        """
        await maybe_future(super().pre_spawn_start(user, spawner))
        folders = self.tickets.folders
        try:
            account = await self._account(user.name)
            folder = str(await asyncio.to_thread(folders.make, account))
        except (OSError, TicketError) as error:
            self.log.error("No ticket folder for %s: %s", user.name, error)
            raise _page(error if isinstance(error, TicketError) else self.tickets.trouble(str(error))) from error
        spawner.environment = {**spawner.environment, "KRB5CCNAME": f"FILE:{folders.cache(user.name)}"}
        if isinstance(getattr(spawner, "volumes", None), dict):
            spawner.volumes = {**spawner.volumes, folder: folder}

    async def post_spawn_stop(self, user: Any, spawner: Any) -> None:
        """Takes the ticket away with the user's last server, where the settings say so."""
        await maybe_future(super().post_spawn_stop(user, spawner))
        others = [other for other in user.spawners.values() if other is not spawner and other.active]
        if "stop" in self.destroy_tickets and not others:
            await self._destroy_ticket(user.name)

    async def logged_out(self, username: str) -> None:
        """Takes the ticket away, where the settings say so. Called by the page for logging out."""
        if "logout" in self.destroy_tickets:
            await self._destroy_ticket(username)

    async def _destroy_ticket(self, username: str) -> None:
        try:
            await self.tickets.destroy(await self._account(username))
        except (OSError, TicketError) as error:
            self.log.error("The ticket of %s could not be destroyed: %s", username, error)
        else:
            self.log.info("Destroyed the ticket of %s", username)
