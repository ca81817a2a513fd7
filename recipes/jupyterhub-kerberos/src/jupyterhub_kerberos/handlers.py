"""The login page that says why it is shown, with single sign-on where that is set, and a logout that takes the ticket.

Browsers send their Kerberos token only when asked by status 401 (RFC 4559). The page that asks is the login form
itself: a browser that has no token, or trusts the site with none, shows it.
"""

from typing import Any

from jupyterhub.handlers.login import LogoutHandler
from tornado import web
from tornado.httputil import url_concat

from jupyterhub_kerberos.forms import LoginFormHandler
from jupyterhub_kerberos.negotiation import Negotiation

FORM_ONLY = "form"
"""Argument of the login page's address: no single sign-on. A logout leads there, else it would log in again."""


class TicketLoginHandler(LoginFormHandler):
    """Tells somebody who has to log in again, since the ticket is over, that it is so."""

    ticket_notice: tuple[str, str] | None = None
    """The user and the sentence; set by ``refresh_user`` of the authenticator."""

    def render_template(self, name: str, **ns: Any) -> Any:
        """What is wrong with a login stands above the form, though a site may have its own page for that status."""
        if name == f"{ns.get('status_code')}.html":
            name = "error.html"  # which JupyterHub replaces by the form
        return super().render_template(name, **ns)

    def _render(self, login_error: str | None = None, username: str | None = None, **kwargs: Any) -> Any:
        if self.ticket_notice is not None and login_error is None:
            username, login_error = self.ticket_notice
        return super()._render(login_error=login_error, username=username, **kwargs)


class TicketLogoutHandler(LogoutHandler):
    """Tells the authenticator who has logged out."""

    async def handle_logout(self) -> None:
        """Runs after the user's cookies are gone."""
        if self.current_user:
            await self.authenticator.logged_out(self.current_user.name)


class NegotiateLoginHandler(TicketLoginHandler):
    """The login form, unless the browser proves who its user is."""

    async def get(self) -> None:
        """Asks for a token, or takes it."""
        form_only = self.get_argument(FORM_ONLY, None) is not None
        if self.current_user and form_only:
            return self.redirect(self.settings["login_url"])  # the argument would be passed on to the server's start
        if self.current_user or form_only:
            return await super().get()
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "negotiate":
            self.set_header("WWW-Authenticate", "Negotiate")
            self.set_status(401)
            return await super().get()
        negotiation = Negotiation(token.strip(), ticket_needed=self.ticket_notice is not None)
        try:
            user = await self.login_user(negotiation)
        except web.HTTPError as error:
            return await self._fall_back(error.status_code, error.log_message)
        if user is None:
            return await self._fall_back(403, "Single sign-on did not work. Please type your name and password.")
        self._jupyterhub_user = user
        self.set_header("WWW-Authenticate", f"Negotiate {negotiation.reply}")
        self.redirect(self.get_next_url(user))
        return None

    async def _fall_back(self, status: int, sentence: str | None) -> None:
        self.set_status(status)
        if self.ticket_notice is None:
            self.ticket_notice = ("", sentence or "")
        await super().get()


class NegotiateLogoutHandler(TicketLogoutHandler):
    """Leads to the form."""

    async def render_logout_page(self) -> None:
        """The end of a logout."""
        self.redirect(url_concat(self.settings["login_url"], {FORM_ONLY: "1"}), permanent=False)
