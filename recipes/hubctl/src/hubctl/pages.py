"""JupyterHub's own pages for the login and the spawn form, where they would show an error for what is none."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from jupyterhub import auth, handlers
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import maybe_future
from jupyterhub_kerberos.forms import FormHandler, LoginFormHandler
from tornado import web

_RESERVED = ("next", "display_name", "_xsrf")
"""What the address of the spawn page can hold beside choices; ``_xsrf`` stays in it when the form was refused."""


def install() -> None:
    """Makes JupyterHub serve these pages. It has no setting for the handlers of pages that it has itself."""
    handlers.default_handlers[:] = [
        (path, SpawnPageHandler if kind is SpawnHandler else kind, *more)
        for path, kind, *more in handlers.default_handlers
    ]
    auth.LoginHandler = LoginFormHandler  # the name by which Authenticator.get_handlers finds the class


class SpawnPageHandler(FormHandler, SpawnHandler):
    """The spawn page. A form that comes while the user's server starts or runs leads there, as the first one did."""

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _get(self, user_name: str, server_name: str, display_name: str) -> None:
        """The page; with choices in the address (``?opt-image=Name``), the start of the server."""
        query = {key: values for key, values in self.request.query_arguments.items() if key not in _RESERVED}
        if query:
            return await self._start(user_name, server_name, display_name, self._get_user_options(_text(query)))
        self.request.query_arguments = {}
        return await super()._get(user_name, server_name, display_name)

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _post(self, user_name: str, server_name: str, display_name: str) -> None:
        """The start of the server with what the form holds."""
        fields = {**self.request.body_arguments, **{name: [] for name in self.request.files}}
        return await self._start(user_name, server_name, display_name, _text(fields))

    async def _start(
        self, user_name: str, server_name: str, display_name: str, fields: Mapping[str, Sequence[str]]
    ) -> None:
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404, f"No such user: {user_name}")
        if server_name:
            await self._check_named_server_request(user, server_name, display_name)
        if server_name in user.spawners and user.spawners[server_name].ready:
            await user.spawners[server_name].poll_and_notify()  # it may have died, and nobody has noticed
        spawner = user.get_or_create_spawner(server_name, display_name, replace_failed=True)
        where = self._get_pending_url(user, server_name)
        if spawner.active:
            return self.redirect(where)
        try:
            options = await maybe_future(spawner.run_options_from_form(fields))
            return await self._wrap_spawn_single_user(user, server_name, display_name, spawner, where, options)
        except web.HTTPError as error:
            self.log.warning("Not starting %s: %s", spawner._log_name, error)
            self.set_status(error.status_code)
            for name, value in getattr(error, "headers", {}).items():
                self.set_header(name, value)
            for_users = [getattr(error, name, "") for name in ("jupyterhub_message", "message")]
            message = next(filter(None, for_users), error.get_message())
            form = await spawner.get_options_form()
            self.finish(await self._render_form(user, form, message=message))

    async def spawn_single_user(
        self, user: Any, server_name: str = "", display_name: str = "", options: dict[str, Any] | None = None
    ) -> None:
        """Starts the server, unless another form of the user has done so while this one was checked.

        Without options there was nothing to choose: what was chosen when there was is not offered any more.
        """
        if task := asyncio.current_task():
            # when the start fails after this request was answered, nobody asks for the error; the log has had it
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        if not user.spawners[server_name].active:
            await super().spawn_single_user(user, server_name, display_name, {} if options is None else options)


def _text(fields: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
    """What is no text becomes text that nobody offers."""
    return {name: [value.decode("utf-8", "replace") for value in values] for name, values in fields.items()}
