"""The authenticator: PAM decides who logs in, then the user gets a ticket."""

import asyncio
import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pamela
from jupyterhub.auth import PAMAuthenticator
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import maybe_future
from tornado import web
from traitlets import Float, Set, Unicode, default, validate

from jupyterhub_kerberos.cache import SAFE_NAME, TicketFolders
from jupyterhub_kerberos.errors import KdcUnreachableError, TicketError, WrongPasswordError
from jupyterhub_kerberos.programs import Account
from jupyterhub_kerberos.realm import default_realm
from jupyterhub_kerberos.tickets import Ticket, TicketOffice

_PAM_AUTHINFO_UNAVAIL = 9  # Linux-PAM, _pam_types.h: "Underlying authentication service can not retrieve information"

_LOGINS_AT_ONCE = 20


def _page(status: int, sentence: str) -> web.HTTPError:
    """An error page that shows ``sentence``."""
    page = web.HTTPError(status, sentence)
    page.jupyterhub_message = sentence  # type: ignore[attr-defined]  # also where a spawn fails
    return page


class KerberosPAMAuthenticator(PAMAuthenticator):
    """PAM checks the password and the account, then kinit gets the user a renewable ticket.

    The ticket lies in ``ticket_folder/USER/krb5cc``. User servers find it by ``KRB5CCNAME``; DockerSpawner's containers
    get the folder mounted, so that they see renewed tickets.

    Run the hub as root: only root can act with the users' rights.
    """

    realm = Unicode(
        config=True,
        help="""
        The users' Kerberos realm.

        Default: ``default_realm`` of krb5.conf.

        For example::

            c.KerberosPAMAuthenticator.realm = "EXAMPLE.ORG"
        """,
    )

    @default("realm")
    def _realm_default(self) -> str:
        return default_realm(self.krb5_conf)

    keytab = Unicode(
        "/etc/krb5.keytab",
        config=True,
        help="""
        The host's keytab, with a key of ``host/FQDN`` in the realm.

        If the file exists, a login succeeds only if the KDC knows that key, too. If it does not exist, whoever can
        answer in place of the KDC can log in as anybody that PAM lets in; a warning at start says so.
        """,
    )

    ticket_folder = Unicode(
        "/run/jupyterhub/tickets",
        config=True,
        help="""
        Where users' ticket folders are. It is made if necessary; only the hub's user may be able to write there.

        Best on a file system in memory. With systemd's ``RuntimeDirectory=``, set ``RuntimeDirectoryPreserve=yes``:
        the folders are mounted into containers that outlive the hub.
        """,
    )

    ticket_lifetime = Unicode(
        "10h", config=True, help="Lifetime to ask for, as kinit reads it. The KDC may give less. For example ``8h30m``."
    )

    renewable_lifetime = Unicode(
        "7d", config=True, help="How long a ticket shall be renewable without the password, as kinit reads it."
    )

    kerberos_timeout = Float(
        10, min=1, config=True, help="Seconds that each exchange with the KDC may take. A login makes two of them."
    )

    krb5_conf = Unicode(
        config=True,
        help="""
        The ``KRB5_CONFIG`` of all Kerberos programs. Default: that of the hub's own environment, else the library's.
        """,
    )

    @default("krb5_conf")
    def _krb5_conf_default(self) -> str:
        return os.environ.get("KRB5_CONFIG", "")

    allowed_groups = Set(
        {"jupyterhub"},
        config=True,
        help="""
        Members of these groups of the host may log in.

        For example::

            c.KerberosPAMAuthenticator.allowed_groups = {"jupyterhub", "data-science"}
        """,
    )

    @default("executor_threads")
    def _executor_threads_default(self) -> int:
        # each login waits for PAM in one of them: with few, some that wait for a KDC would hold up all others
        return _LOGINS_AT_ONCE

    @validate("ticket_folder", "keytab")
    def _absolute(self, proposal: Any) -> str:
        if not Path(proposal.value).is_absolute():
            raise ValueError(f"{proposal.trait.name} must be an absolute path, got {proposal.value!r}")
        return str(proposal.value)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._renewals: dict[str, asyncio.Task[None]] = {}
        if not self.realm:
            raise ValueError("KerberosPAMAuthenticator.realm is not set, and krb5.conf has no default_realm")
        if not Path(self.keytab).exists():
            self.log.warning(
                "There is no keytab at %s: the KDC of %s CANNOT BE VERIFIED, so whoever can answer in its place can log"
                " in as any user that PAM accepts. Put the host's keytab there.",
                self.keytab,
                self.realm,
            )
        # JupyterHub 6.1 reads it on each request of a user whose ticket is over, but sets it only where a token came.
        if not hasattr(BaseHandler, "_token_authenticated"):
            BaseHandler._token_authenticated = False

    @property
    def tickets(self) -> TicketOffice:
        """Where tickets come from, by the settings of this moment."""
        keytab = Path(self.keytab)
        return TicketOffice(
            folders=TicketFolders(Path(self.ticket_folder)),
            realm=self.realm,
            keytab=keytab if keytab.exists() else None,
            lifetime=self.ticket_lifetime,
            renewable=self.renewable_lifetime,
            limit=self.kerberos_timeout,
            krb5_conf=self.krb5_conf,
        )

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

    # -- login ---------------------------------------------------------------------------------------------------------

    async def authenticate(self, handler: web.RequestHandler | None, data: dict[str, str]) -> str | None:
        """The user's name if PAM takes the password and the account, and a ticket could be had; else None.

        Raises:
            tornado.web.HTTPError: something else than the password is wrong; its message is for the user.
        """
        if len(data["username"]) > 256:
            self.log.warning("Refused a login with a name of %i characters", len(data["username"]))
            return None
        username = self.normalize_username(data["username"])
        if not self.validate_username(username):
            self.log.warning("Refused a login as %r: no valid name", username)
            return None
        if not await self._pam_accepts(username, data):
            return None
        account = await self._local_account(username)
        # The base class decides who may come in, after this method; who may not needs no ticket.
        if not await self._may_enter(username):
            return username
        return username if await self._get_ticket(account, data["password"]) else None

    async def _may_enter(self, username: str) -> bool:
        authentication = {"name": username}
        if not await maybe_future(self.check_blocked_users(username, authentication)):
            return False
        return self.allow_all or bool(await maybe_future(self.check_allowed(username, authentication)))

    async def _pam_accepts(self, username: str, data: dict[str, str]) -> bool:
        try:
            await asyncio.get_running_loop().run_in_executor(self.executor, self._ask_pam, username, data)
        except pamela.PAMError as error:
            self.log.warning("PAM refused %s: %s", username, error)
            if error.errno == _PAM_AUTHINFO_UNAVAIL:
                detail = f"PAM cannot reach what it authenticates {username} with (realm {self.realm})"
                raise self._no_ticket(KdcUnreachableError(detail)) from error
            return False
        return True

    def _ask_pam(self, username: str, data: dict[str, str]) -> None:
        """Checks password and account; in a thread, since it waits.

        Without ``pam_setcred``: pam_krb5 would leave a second ticket, in a file of its own, behind.

        Raises:
            pamela.PAMError: PAM says no.
        """
        password = (data["password"], data["otp"]) if "otp" in data else data["password"]
        pamela.authenticate(
            username,
            password,
            service=self.service,
            encoding=self.encoding,
            resetcred=0,
            check=self.check_account,
        )

    async def _local_account(self, username: str) -> Account:
        try:
            return await asyncio.to_thread(Account.of, username)
        except KeyError as error:
            self.log.warning("%s has no account on this host", username)
            raise _page(403, "You have no account on this server. Please ask its administrator.") from error

    async def _get_ticket(self, account: Account, password: str) -> bool:
        try:
            async with self._locks[account.name]:
                await self.tickets.obtain(account, password)
        except WrongPasswordError as error:
            self.log.warning("%s", error)
            return False
        except TicketError as error:
            raise self._no_ticket(error) from error
        self.log.info("Ticket for %s@%s", account.name, self.realm)
        return True

    def _no_ticket(self, error: TicketError) -> web.HTTPError:
        """The error page for the user; the details go to the log."""
        self.log.error("No ticket: %s", error)
        return _page(error.status, error.sentence)

    # -- renewal -------------------------------------------------------------------------------------------------------

    async def refresh_user(self, user: Any, handler: web.RequestHandler | None = None) -> bool:
        """Whether the user's ticket is still valid, as far as can be told; if not, the user has to log in again.

        Asks no KDC, so no request waits for one: a ticket is renewed in the background once half of its lifetime is
        gone.
        """
        try:
            account = await asyncio.to_thread(Account.of, user.name)
            ticket = await self.tickets.status(account)
        except KeyError:
            self.log.warning("%s has no account on this host any more", user.name)
            return False
        except (OSError, TicketError) as error:
            # that says nothing about the ticket: no reason to throw the user out
            self.log.error("Cannot look at the ticket of %s: %s", user.name, error)
            return True
        now = datetime.now(UTC)
        if ticket is None or not ticket.is_valid(now):
            self.log.info("The ticket of %s is over", user.name)
            return False
        if ticket.is_due(now):
            self._start_renewal(account, ticket)
        return True

    def _start_renewal(self, account: Account, ticket: Ticket) -> None:
        if account.name not in self._renewals:
            task = asyncio.create_task(self._renew(account, ticket))
            self._renewals[account.name] = task
            task.add_done_callback(lambda _: self._renewals.pop(account.name))

    async def _renew(self, account: Account, ticket: Ticket) -> None:
        try:
            async with self._locks[account.name]:
                await self.tickets.renew(account)
        except TicketError as error:
            self.log.warning("%s's ticket, valid until %s, was not renewed: %s", account.name, ticket.end, error)
        else:
            self.log.info("Renewed the ticket of %s@%s", account.name, self.realm)

    # -- servers -------------------------------------------------------------------------------------------------------

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Lets the user's server find the ticket.

        Sets ``KRB5CCNAME`` in ``spawner.environment``. A spawner whose ``volumes`` is a dict, as DockerSpawner's, gets
        the user's ticket folder mounted at the same path: the folder, since renewal replaces the file.

        Raises:
            tornado.web.HTTPError: the folder cannot be made.
        """
        await maybe_future(super().pre_spawn_start(user, spawner))
        account = await self._local_account(user.name)
        folders = self.tickets.folders
        try:
            folder = str(await asyncio.to_thread(folders.make, account))
        except OSError as error:
            raise self._no_ticket(TicketError(f"ticket folder of {user.name}: {error}")) from error
        except TicketError as error:
            raise self._no_ticket(error) from error
        spawner.environment = {**spawner.environment, "KRB5CCNAME": f"FILE:{folders.cache(user.name)}"}
        if isinstance(getattr(spawner, "volumes", None), dict):
            spawner.volumes = {**spawner.volumes, folder: folder}
