"""Users' servers as processes of this host, for hosts without Docker. What one may take is not limited."""

import asyncio
import signal
from dataclasses import asdict
from functools import cache
from typing import Any, ClassVar

from dockerspawner.hostnetwork import PortPool, find_listener  # type: ignore[import-untyped]
from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner
from traitlets import Instance, default

from hubctl import containers, endings, homes, servers
from hubctl.processes import Process, descendants
from hubctl.spawner import NotStartedError

ADDRESS = "127.0.0.1"
TRIES = 5
"""How many ports are tried when other programs take them before the server does."""


class ProcessSpawner(LocalProcessSpawner):  # type: ignore[misc]  # JupyterHub has no types
    """One user's server as a process of that user, at a port that is its own, with a record for the proxy.

    Needs ``site``.
    """

    site = Instance(containers.Site, config=True, help="Settings and layout of this hub.")

    @default("term_timeout")
    def _term_timeout_default(self) -> int:
        return 10  # seconds: it ends its kernels first

    environment: dict[str, Any]  # JupyterHub's
    _process: Process | None = None
    _exit_codes: ClassVar[dict[str, int]] = {}
    """Of servers that ended unasked; JupyterHub makes a new spawner for the next one."""

    # -- start ---------------------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Starts the server and waits until it listens.

        Raises:
            NotStartedError: with the reason, for the user.
        """
        self._exit_codes.pop(self._log_name, None)
        try:
            await asyncio.to_thread(self._prepare)
            return await self._start()
        except homes.NoHomeError as error:
            raise NotStartedError(str(error), reason="home") from None
        except OSError as error:
            raise NotStartedError.unwritable(self._log_name, error) from error

    async def _start(self) -> tuple[str, int]:
        for _ in range(TRIES):
            self.port = self._ports.acquire(self._log_name, ADDRESS)
            await super().start()
            self._process = Process.of(self.pid)
            if await self._listens():
                return ADDRESS, self.port
            self.log.warning("Port %i was taken by another program before %s had it", self.port, self._log_name)
            await self.stop(now=True)
        raise NotStartedError("Your server ended while it started. Its port was taken. Try again.", reason="port")

    def _prepare(self) -> None:
        """The user's home, and a folder for the sockets of kernels, whose paths must be short (unix(7): 107 bytes).

        Raises:
            NoHomeError: the user gets no server.
        """
        user = homes.of_host(self.user.name, "")
        if user.uid == 0:
            raise homes.NoHomeError("Servers do not run as root. Log in with another account.")
        homes.ensure(user)
        folder = self.site.layout.runtime / "ipc"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        own = folder / str(user.uid)
        homes.make(own, user)
        self.environment = {**self.environment, "JUPYTER_RUNTIME_DIR": str(own)}

    @property
    def _ports(self) -> PortPool:
        ports = self.site.settings.internal_ports.servers
        return _pool(ports.first, ports.last)

    async def _listens(self) -> bool:
        """Waits until something listens at the port; whether that is the server.

        Raises:
            NotStartedError: it has ended, with nobody else at its port.
        """
        while True:
            inode = await asyncio.to_thread(self._find_listener)
            if inode is not None:
                return inode != 0 and self._write_record(inode)
            code = self.proc.poll()
            if code is not None:
                raise self._ended(code)
            await asyncio.sleep(0.1)

    def _find_listener(self) -> int | None:
        return find_listener(ADDRESS, self.port, self.pid, _family)  # type: ignore[no-any-return]

    def _write_record(self, inode: int) -> bool:
        record = servers.Record.of(self.pid, inode)
        if record:
            servers.write(self.site.layout, f"{ADDRESS}:{self.port}", record)
        return record is not None

    def _ended(self, code: int) -> NotStartedError:
        text = f"Your server ended while it started. {endings.of_process(code).reason}"
        return NotStartedError(f"{text} The administrator finds more in the hub's log.", reason="ended")

    # -- afterwards ----------------------------------------------------------------------------------------------------

    async def stop(self, now: bool = False) -> None:
        """Ends the server, whose reason is then known. A server that is told to end needs no other.

        By SIGTERM, which Jupyter's server ends on as tidily as on the SIGINT that LocalProcessSpawner begins with. One
        that still starts has a handler for neither: SIGINT would leave a traceback in the hub's log.
        """
        was_told = await self.poll() is None
        await super().stop(now=True)
        if was_told:
            self._exit_codes.pop(self._log_name, None)

    async def poll(self) -> int | None:
        """As LocalProcessSpawner's, and keeps the exit code."""
        code: int | None = await super().poll()
        if code is not None and self.proc is not None:
            self._exit_codes[self._log_name] = code
        return code

    async def ending(self) -> endings.Ending | None:
        """Why the last server ended; None where it runs, or nobody knows."""
        code = self._exit_codes.get(self._log_name)
        return None if code is None else endings.of_process(code)

    async def _signal(self, sig: int) -> bool:
        """To the very process that was started: after a restart of the hub, its number can be another's."""
        if self._process is None or not self._process.alive:
            return False
        if sig:
            self._process.signal(signal.Signals(sig))
        return True

    def get_state(self) -> dict[str, Any]:
        """What a restarted hub finds the process by."""
        process = {"process": asdict(self._process), "port": self.port} if self._process else {}
        return {**super().get_state(), **process}

    def load_state(self, state: dict[str, Any]) -> None:
        """Finds the process again."""
        super().load_state(state)
        if "process" in state:
            self._process, self.port = Process(**state["process"]), state["port"]
            PortPool.reserved.setdefault(self.port, self._log_name)

    def clear_state(self) -> None:
        """Forgets the server, and keeps the proxy from sending anything to its address."""
        if self._process:  # else the port may be another server's by now
            servers.remove(self.site.layout, f"{ADDRESS}:{self.port}")
        super().clear_state()
        self._process = None
        self._ports.release(self._log_name)


class TrialSpawner(ProcessSpawner, SimpleLocalProcessSpawner):  # type: ignore[misc]
    """The same for a hub that is tried: everybody's server is a process of the hub's user."""

    def _prepare(self) -> None:
        homes.ensure(homes.without_account(self.user.name, self.site.layout))


@cache
def _pool(first: int, last: int) -> PortPool:
    """The ports of all spawners, of which each is given once."""
    return PortPool(first, last)


def _family(pid: int) -> list[int]:
    process = Process.of(pid)
    return [pid, *(child.pid for child in descendants(process))] if process else []
