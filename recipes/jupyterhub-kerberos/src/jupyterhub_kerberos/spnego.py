"""Single sign-on: the browser's Kerberos ticket instead of the password."""

from pathlib import Path
from typing import Any

from tornado import web
from traitlets import Unicode, validate

from jupyterhub_kerberos.authenticator import KerberosPAMAuthenticator
from jupyterhub_kerberos.errors import NegotiationError, NotAllowedError, NoTicketPassedOnError
from jupyterhub_kerberos.handlers import NegotiateLoginHandler, NegotiateLogoutHandler
from jupyterhub_kerberos.negotiation import Identity, Negotiation, accept
from jupyterhub_kerberos.programs import Account


class KerberosSPNEGOAuthenticator(KerberosPAMAuthenticator):
    """Users whose browser has a Kerberos ticket for this site need not type anything; all others get the form.

    PAM checks the account all the same. If the browser passes on ("delegates") a ticket, it goes where a login by the
    form would put it; if not, the user has none until the form is used.
    """

    # who has come in without one shall not be sent to the login page for it again and again
    ticket_required = False

    http_keytab = Unicode(
        "/etc/jupyterhub/http.keytab",
        config=True,
        help="""
        Keytab with the key of ``HTTP/FQDN``, FQDN being the name of the site in users' browsers. Only the hub's user
        may be able to read it.
        """,
    )

    @validate("http_keytab")
    def _absolute_keytab(self, proposal: Any) -> str:
        return self._absolute(proposal)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not Path(self.http_keytab).exists():
            self.log.warning("There is no keytab at %s: single sign-on does not work, the form does", self.http_keytab)

    def get_handlers(self, app: Any) -> list[tuple[str, type[web.RequestHandler]]]:
        """The pages for logging in and out. JupyterHub calls it once, at its start."""
        super().get_handlers(app)
        return [("/login", NegotiateLoginHandler), ("/logout", NegotiateLogoutHandler)]

    async def authenticate(self, handler: web.RequestHandler | None, data: dict[str, Any]) -> str | None:
        """The user's name if the token or the form's password is right; else None.

        Raises:
            tornado.web.HTTPError: something else is wrong; its message is for the user.
        """
        if not isinstance(data, Negotiation):
            return await super().authenticate(handler, data)
        async with self._telling_why():
            return await self._negotiate(data)
        return None

    async def _negotiate(self, negotiation: Negotiation) -> str:
        """Raises:
        TicketError: the user is not let in.
        """
        identity = await accept(
            negotiation.token,
            keytab=Path(self.http_keytab),
            scratch=await self._scratch(),
            krb5_conf=self.krb5_conf,
            limit=self.kerberos_timeout,
        )
        username = self._local_name(identity.principal)
        if username is None:
            raise NegotiationError(f"{identity.principal} is no user of the realm {self.realm}")
        account = await self._account(username)
        if not await self._may_enter(username):
            raise NotAllowedError(f"{username} is in none of the allowed groups: {', '.join(self.allowed_groups)}")
        await self.pam.check(account)
        await self._take_ticket(account, identity, negotiation.ticket_needed)
        negotiation.reply = identity.reply
        return username

    async def _take_ticket(self, account: Account, identity: Identity, needed: bool) -> None:
        if identity.tickets:
            self._log_ticket(account, await self.tickets.adopt(account, identity.tickets, just_made=False))
            return
        if needed:
            raise NoTicketPassedOnError(f"the browser of {account.name} passed on no ticket")
        self.log.info("The browser of %s passed on no ticket", account.name)
        if await self._why_password(account.name) is not None:
            await self._destroy_ticket(account.name)
