"""configurable-http-proxy as a child of the hub."""

import asyncio
import os
import time

import jupyterhub.proxy
from jupyterhub.objects import Server
from jupyterhub.proxy import ConfigurableHTTPProxy
from tornado.ioloop import PeriodicCallback

from hubctl import api, daemon
from hubctl.layout import Layout, environment
from hubctl.processes import Process, is_proxy, write_pid_file
from hubctl.settings import Settings

LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where this host reaches its own server that listens on all addresses."""


ROUTES_SECONDS = 30
"""How soon a proxy that the hub has not started, and that crashed, has its routes again. JupyterHub's own 300 are long
for users; the proxy that it has started, it starts again with its routes."""


def is_service(settings: Settings) -> bool:
    """Whether jupyterhub-proxy.service runs the proxy: where the setting says so, for the hub of jupyterhub.service.

    Whoever runs ``jupyterhub`` by hand gets a proxy as ever.
    """
    return settings.proxy_service and "HUBFORGE_UNIT" in os.environ


class LocalServer(Server):
    """A server of this host. JupyterHub would look for it at the host's name, which need not resolve."""

    @property
    def _connect_ip(self) -> str:
        return str(self.connect_ip or LOOPBACK.get(self.ip, self.ip))


# The name under which ConfigurableHTTPProxy.start finds the class; there is no setting for it.
jupyterhub.proxy.Server = LocalServer


class OwnProxy(ConfigurableHTTPProxy):
    """The proxy, whose pid file is trusted only when the process it names is this hub's proxy.

    JupyterHub ends whatever process has the number in the file: after a crash and a reboot that can be anybody's.
    """

    async def start(self) -> None:
        """Starts it for the one hub of this root, which is written down first: `hubctl` then knows, stops and never
        restores over a hub that somebody has started as ``jupyterhub``."""
        layout, hub = Layout.current(), Process.of(os.getpid())
        assert hub
        other = daemon.running(layout)
        if other and other != hub:  # its proxy would be ended by the next line
            raise SystemExit(f"hubctl: another hub runs already (process {other.pid}): `hubctl stop` ends it")
        write_pid_file(layout.hub_pid, hub)
        try:
            await super().start()
        except TimeoutError:
            await self._wait_on()

    async def _wait_on(self) -> None:
        """Goes on waiting where JupyterHub gives up after ten seconds: on a busy machine node takes longer to load.

        Raises:
            RuntimeError: the proxy has ended.
            TimeoutError: it does not listen after as long as a start of the hub may take.
        """
        self.log.warning("The proxy takes long to start: it is waited for")
        servers = [LocalServer.from_url(url) for url in (self.public_url, self.api_url)]
        deadline = time.monotonic() + api.READY_SECONDS
        while not all(server.is_up() for server in servers):
            if (code := self.proxy_process.poll()) is not None:
                raise RuntimeError(f"The proxy ended with exit code {code}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"The proxy did not listen in {api.READY_SECONDS} s")
            await asyncio.sleep(0.2)
        # as at the end of JupyterHub's own wait: one that crashes is started again
        self._check_running_callback = PeriodicCallback(self.check_running, 1000 * self.check_running_interval)
        self._check_running_callback.start()

    def _check_pid(self, pid: int) -> None:
        if not is_proxy(pid, environment(), Layout.current().root):
            raise ProcessLookupError(pid)
