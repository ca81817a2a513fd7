"""Pages that take a form: what no browser sends from it is refused, and what was sent is let go of."""

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LoginHandler

_LONGEST_FIELD = 1024
"""Bytes of a name or a password. Longer ones would be looked up, logged and shown again."""


class FormHandler(BaseHandler):
    """A page to which somebody can send megabytes."""

    def on_finish(self) -> None:
        """Lets go of what was sent: the request lives on until Python looks for cycles, which can be long after."""
        super().on_finish()
        self.request.body = b""
        self.request.arguments = self.request.body_arguments = {}


class LoginFormHandler(FormHandler, LoginHandler):
    """The login form, which refuses what no browser sends from it before anything else sees it."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """What is no text is nobody's name: else the page that refuses it could not be made, since it shows it."""
        return value.decode("utf-8", "replace")

    async def post(self) -> None:
        """Logs in."""
        fields = {name: values[-1] for name, values in self.request.body_arguments.items()}
        if not {"username", "password"} <= fields.keys():
            return await self._refuse("The form came without a name or a password. Try again.")
        longest = max(fields, key=lambda name: len(fields[name]))
        if len(fields[longest]) > _LONGEST_FIELD:
            self.log.warning("Refused a login: %i bytes in a field of the form", len(fields[longest]))
            return await self._refuse("That name or password is too long. Try again.")
        return await super().post()

    async def _refuse(self, sentence: str) -> None:
        self.set_status(400)
        self.finish(await self._render(login_error=sentence, username=""))
