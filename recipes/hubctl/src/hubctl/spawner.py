"""DockerSpawner with this hub's page of choices, with words for what goes wrong, and with records for the proxy."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import docker  # type: ignore[import-untyped]
import requests
from dockerspawner import DockerSpawner
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import maybe_future
from traitlets import Instance, default

from hubctl import containers, endings, homes, offers, servers
from hubctl.fulldisk import is_full
from hubctl.settings import Settings

_SILENT = (
    "Docker, which runs the servers, does not answer. Try again in a minute; if it stays so, tell the administrator."
)


class NotStartedError(SpawnException):
    """Why a server was not started; the text is for the user."""

    def __init__(self, message: str, *, reason: str, log_message: str = "", status_code: int = 500) -> None:
        super().__init__(message, reason=reason, log_message=log_message, status_code=status_code)
        self.jupyterhub_message = message  # what JupyterHub's pages show

    @classmethod
    def unwritable(cls, name: str, error: OSError) -> "NotStartedError":
        """For what a start writes on the host, mostly below ``/run``; ``name`` is the server's in the log."""
        full = is_full(error)
        why = "has no space left for what your server needs" if full else "can't write what your server needs"
        text = f"This machine {why}. Nothing of yours is lost. Tell the administrator, then try again."
        return cls(text, reason="disk", log_message=f"{name}: {error}", status_code=507 if full else 500)


class ContainerSpawner(DockerSpawner):
    """One user's server in a container.

    Needs ``site``. `options_form` and `options_from_form` are its own.
    """

    site = Instance(containers.Site, config=True, help="Settings and layout of this hub.")

    # of DockerSpawner, which has one thread: while Docker stops one user's server, nobody else's would start
    _executor: ClassVar[ThreadPoolExecutor] = ThreadPoolExecutor(10, thread_name_prefix="docker")

    _at: ClassVar[dict[str, "ContainerSpawner"]] = {}
    """Whose server is at which address."""
    _address: str | None = None
    _steps: tuple[tuple[int, str], ...] = ()
    _driver_memory: int | None = None
    _end_turn: Callable[[], None] = staticmethod(lambda: None)
    _refused: dict[str, str] | None = None
    _silence: endings.Ending | None = None

    # -- the spawn page ------------------------------------------------------------------------------------------------

    @default("options_form")
    def _default_options_form(self) -> Any:
        return "" if offers.nothing_to_choose(self.site.settings) else self._page

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._from_form

    async def _page(self, spawner: DockerSpawner) -> str:
        last = self._refused or (self.orm_spawner.user_options if self.orm_spawner else None) or {}
        settings = await self._settings()
        return await asyncio.to_thread(offers.page, settings, self.site.layout, last)

    async def _from_form(self, form: dict[str, Any]) -> dict[str, str]:
        with self._explained():
            options = self._refused = offers.from_form(form)
            await self._choice(options)  # before anything begins, so that the page comes back at once
        self._refused = None
        return options

    async def _choice(self, options: dict[str, Any]) -> offers.Choice:
        settings = await self._settings()
        return await asyncio.to_thread(offers.check, settings, self.site.layout, options)

    async def _settings(self) -> Settings:
        """Those of this hub, with the limits of this user."""
        return await asyncio.to_thread(containers.member_settings, self, self.site.settings, self.site.layout)

    # -- start ---------------------------------------------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What is happening while the server starts; JupyterHub ends it when the server is there."""
        told = 0
        while True:
            for percent, text in self._steps[told:]:
                yield {"progress": percent, "message": text}
                told += 1
            await asyncio.sleep(0.2)

    @property
    def happening(self) -> str:
        """What is happening now, for a page that loads itself again; empty before the start."""
        return self._steps[-1][1] if self._steps else ""

    def _tell(self, percent: int, text: str) -> None:
        self._steps = (*self._steps, (percent, text))

    async def run_pre_spawn_hook(self) -> None:
        """The user's folder, and whatever the administrator adds. Then a turn, for which users may have to wait.

        Here no time limit of JupyterHub's counts. The end of ``start`` gives the turn back.
        """
        self._steps = ()
        self._silence = None
        self._tell(10, "Looking after your folder")
        await maybe_future(super().run_pre_spawn_hook())
        self._end_turn = await self.site.starts.wait(self._tell_place)

    def _tell_place(self, before: int) -> None:
        self._tell(20, f"Many servers are starting. Before yours: {before}")

    async def start(self) -> tuple[str, int]:
        """Starts the container and waits until something listens in it.

        Raises:
            NotStartedError: with the reason, for the user.
        """
        try:
            return await self._start()
        finally:
            self._end_turn()

    async def _start(self) -> tuple[str, int]:
        try:
            with self._explained():
                choice = await self._choice(self.user_options)
        except NotStartedError:
            self.orm_spawner.user_options = {}  # nothing to begin with the next time
            raise
        limits = (await self._settings()).limits_of(choice.image)
        self.mem_limit, self.cpu_limit = limits.memory, limits.cpu
        self._driver_memory = choice.driver_memory
        with self._explained(choice.image.name):
            await self._clear_away()
            self._tell(30, f"Making a container from {choice.image.name}")
            try:
                ip, port = await super().start()
                await self._wait_until_it_listens(ip, port)
                await self._write_record(f"{ip}:{port}")
            except RuntimeError as error:  # it ended, or lost its port or address
                raise await self._failure(error) from error
        self._tell(90, "Waiting for Jupyter to answer")
        return ip, port

    def get_env(self) -> dict[str, str]:
        """As the base class's, and what Spark takes where a session does not say it itself (spark-submit)."""
        size = {"SPARK_DRIVER_MEMORY": f"{self._driver_memory // 1024**2}m"} if self._driver_memory else {}
        return {**super().get_env(), **size}

    async def start_object(self) -> None:
        """Starts the container; ends it at once if another folder than the user's was mounted as the home."""
        self._tell(50, "Starting the container")
        await super().start_object()
        self._tell(70, "Starting Jupyter in it")
        container = await self.get_object()
        user = containers.account(self, self.site.settings, self.site.layout)
        try:
            mounted = homes.is_mounted(user, container["State"]["Pid"])
        except (OSError, TypeError):  # it has ended already: the wait for it says why
            return
        if not mounted:
            await self.docker("kill", self.container_id)
            text = f"Your folder {user.folder} was replaced while your server started. Make it a folder and try again."
            log_message = f"{self._log_name}: {user.folder} was replaced by a link during the start"
            raise NotStartedError(text, reason="home", log_message=log_message, status_code=403)

    async def _clear_away(self) -> None:
        """Removes a container of before that still runs: of a spawn that was cut off by Docker's own end."""
        container = await self.get_object()
        if container and container["State"]["Running"]:
            await self._discard_object()

    async def _wait_until_it_listens(self, ip: str, port: int) -> None:
        """On the host's network, the base class has waited already.

        Raises:
            RuntimeError: the container has ended.
        """
        looked = time.monotonic()
        while not await asyncio.to_thread(_listens, ip, port):
            if time.monotonic() - looked > 1:
                container = await self.get_object()
                looked = time.monotonic()
                if not (container and container["State"]["Running"]):
                    raise RuntimeError(f"{self.object_name} stopped before it listened on port {port}.")
            await asyncio.sleep(0.1)

    async def _failure(self, error: RuntimeError) -> NotStartedError:
        ending = await self._ending()
        reason = ending.reason if ending else "Its port was taken by another program. Try again."
        last = f"; it said last: {ending.log[-1]}" if ending and ending.log else ""
        log_message = f"{self._log_name}: {error} {reason}{last}"
        return NotStartedError(f"Your server ended while it started. {reason}", reason="ended", log_message=log_message)

    @contextlib.contextmanager
    def _explained(self, image: str = "") -> Iterator[None]:
        """Turns what went wrong into a sentence for the user and a line for the log."""
        try:
            yield
        except offers.NotOfferedError as error:
            log_message = f"{self._log_name}: {error}"
            raise NotStartedError(str(error), reason="choice", log_message=log_message, status_code=400) from None
        except docker.errors.APIError as error:
            log_message = f"{self._log_name}: Docker refuses: {error.explanation or error}"
            if error.status_code == 404:
                text = (
                    f"The image {image} is not on this server any more. Choose another one, or ask the administrator."
                )
                raise NotStartedError(text, reason="image", log_message=log_message, status_code=404) from error
            text = "Docker could not start your server. The administrator finds the reason in the hub's log."
            raise NotStartedError(text, reason="docker", log_message=log_message) from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            log_message = f"{self._log_name}: Docker does not answer: {error}"
            raise NotStartedError(_SILENT, reason="docker", log_message=log_message, status_code=503) from error
        except OSError as error:
            raise NotStartedError.unwritable(self._log_name, error) from error

    # -- afterwards ----------------------------------------------------------------------------------------------------

    async def poll(self) -> Any:
        """As DockerSpawner's. While Docker does not answer nobody knows, and a server counts as running."""
        try:
            status = await super().poll()
            if status is None:
                await self._keep_record()
            else:
                await self._end_container()
        except (docker.errors.DockerException, requests.RequestException) as error:
            self.log.warning("%s: Docker does not answer: %s", self._log_name, error)
            return None
        return status

    async def _end_container(self) -> None:
        """Its port has become another program's: what still runs in it can't be reached any more."""
        container = await self.get_object() if self.object_id else None
        if container and container["State"]["Running"]:
            await self.docker("kill", self.container_id)

    async def stop(self, now: bool = False) -> None:
        """As DockerSpawner's. A server that is ended because it did not answer leaves its last words.

        Raises:
            NotStartedError: Docker does not answer.
        """
        starting = self._spawn_future is not None and not self._spawn_future.done()
        try:
            with self._explained(self.image):
                if starting:
                    self._silence = endings.of_silence(await self._log_end())
                await super().stop(now)
        except NotStartedError as error:
            if not starting:
                raise
            # why the start failed has been said; the next one clears away what is left
            self.log.warning("%s: the container could not be removed: %s", self._log_name, error.log_message)

    async def ending(self) -> endings.Ending | None:
        """Why the last server ended; None where it runs, was stopped, or Docker does not answer."""
        try:
            return await self._ending()
        except (docker.errors.DockerException, requests.RequestException):
            return None

    async def _ending(self) -> endings.Ending | None:
        container = await self.get_object()
        return endings.of_container(container, await self._log_end()) if container else self._silence

    async def _log_end(self) -> str:
        log: bytes = await self.docker("logs", self.object_id, tail=endings.LAST_LINES)
        return log.decode("utf-8", "replace")

    # -- the proxy's records -------------------------------------------------------------------------------------------

    async def _write_record(self, address: str) -> None:
        container = await self.get_object()
        inode = self.listener_inode if self.host_network else None
        record = servers.Record.of(container["State"]["Pid"], inode) if container else None
        if record and inode != 0:
            await self._take(address)
            servers.write(self.site.layout, address, record)

    async def _take(self, address: str) -> None:
        """A bridge gives the address of a container that ended to the next one. Its server's route goes first.

        Raises:
            RuntimeError: the other server is still there.
        """
        other = self._at.get(address)
        if other not in (None, self):
            await other.poll_and_notify()
            if other._address == address:
                raise RuntimeError(f"{address} is still the address of {other._log_name}.")
        self._at[address] = self
        self._address = address

    async def _keep_record(self) -> None:
        """After a restart of the hub, or when the server in the container was started anew."""
        if self._address is None and self.server:
            await self._take(f"{self.server.ip}:{self.server.port}")
        if self._address is None:
            return
        record = servers.read(self.site.layout, self._address)
        renewed = self.host_network and self.listener_inode != 0
        if record is None or (renewed and record.inode != self.listener_inode):
            await self._write_record(self._address)

    def clear_state(self) -> None:
        """Forgets the server, and keeps the proxy from sending anything to its address."""
        super().clear_state()
        if self._address:
            servers.remove(self.site.layout, self._address)
            self._at.pop(self._address, None)
            self._address = None


def _listens(ip: str, port: int) -> bool:
    try:
        with socket.create_connection((ip, port), timeout=1):
            return True
    except OSError:
        return False
