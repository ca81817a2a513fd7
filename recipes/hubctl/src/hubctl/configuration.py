"""JupyterHub's configuration: the shipped defaults, then ``hub.yaml``, then the administrator's Python files."""

import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from hubctl import containers, hubaddress, login, offers, onestep, pages, servers, shared, tokens
from hubctl.errors import HubError
from hubctl.hostcheck import check
from hubctl.layout import Layout, environment
from hubctl.proxy import ROUTES_SECONDS, OwnProxy, is_service
from hubctl.settings import Settings, load


def configure(c: Any) -> None:
    """Fills JupyterHub's configuration object. Called by ``jupyterhub_config.py``.

    Ends the program with one line for the administrator, not a traceback, when the settings are wrong.
    """
    layout = Layout.current()
    try:
        _finish(layout)
        settings = load(layout.settings)
        apply(c, settings, layout)
        for path in sorted(layout.config_folder.glob("*.py")):
            _execute(path, c)
    except HubError as error:
        raise SystemExit(f"hubctl: {error}") from None


def _finish(layout: Layout) -> None:
    try:
        onestep.finish(layout)
    except OSError as error:
        what = f"An interrupted command can't be finished: {error.filename or layout.state}: {error.strerror}"
        raise HubError(what, "mend that, then start the hub again") from None


def apply(c: Any, settings: Settings, layout: Layout) -> None:
    """Sets everything that the settings and the layout decide.

    Raises:
        HubError: something on the host does not fit the settings.
    """
    check(settings, layout)
    _hub(c, settings, layout)
    _proxy(c, settings, layout)
    login.configure(c, settings, layout)
    _servers(c, settings, layout)
    _services(c, settings, layout)


def _hub(c: Any, settings: Settings, layout: Layout) -> None:
    hub = c.JupyterHub
    address = str(settings.bind)
    hub.bind_url = f"https://{f'[{address}]' if ':' in address else address}:{settings.port}"
    hub.hub_bind_url = f"http://{hubaddress.of(settings)}:{settings.internal_ports.hub}"
    hub.ssl_key = str(layout.below(settings.tls.key))
    hub.ssl_cert = str(layout.below(settings.tls.cert))
    hub.db_url = f"sqlite:///{layout.database}"
    hub.upgrade_db = True  # after an upgrade; JupyterHub first copies an SQLite database, as .sqlite.DATE
    hub.cookie_secret_file = str(layout.cookie_secret)
    hub.allow_named_servers = settings.named_servers > 0
    hub.named_server_limit_per_user = settings.named_servers
    hub.template_paths = [str(offers.TEMPLATES)]
    pages.install()
    c.Spawner.default_url = "/lab"


def _proxy(c: Any, settings: Settings, layout: Layout) -> None:
    programs = environment() / "bin"
    # the proxy is a script of node's, and the hub may have been started without the environment being activated
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    c.JupyterHub.proxy_class = OwnProxy
    proxy = c.ConfigurableHTTPProxy
    proxy.command = [str(programs / "configurable-http-proxy")]
    proxy.api_url = f"http://127.0.0.1:{settings.internal_ports.proxy_api}"
    proxy.auth_token = tokens.read_or_make(layout.proxy_token)  # reaches the proxy in its environment, never argv
    layout.runtime.mkdir(parents=True, exist_ok=True)
    proxy.pid_file = str(layout.proxy_pid)
    if is_service(settings):
        proxy.should_start = False
        c.JupyterHub.last_activity_interval = ROUTES_SECONDS  # when it also compares the proxy's routes


def _servers(c: Any, settings: Settings, layout: Layout) -> None:
    start_in = containers.configure if settings.spawner == "docker" else _local_servers
    # the proxy is the hub's child, and has the hub's environment
    os.environ.update(start_in(c, settings, layout))


def _local_servers(c: Any, settings: Settings, layout: Layout) -> dict[str, str]:
    """Users' servers as processes of this host; gives variables for the proxy, as `containers.configure` does."""
    trial = settings.auth == "shared-password"
    c.JupyterHub.spawner_class = "hubctl.local.TrialSpawner" if trial else "hubctl.local.ProcessSpawner"
    # users' servers are children of the hub here, and end with it
    c.JupyterHub.cleanup_servers = True
    c.ProcessSpawner.site = containers.Site(settings, layout)
    section = c.LocalProcessSpawner
    section.cmd = shared.command(layout, sys.executable, "-P", "-m", "jupyterhub.singleuser")
    # kernels would open five ports each on the loopback that all users share; of one user, in a folder somewhere, the
    # sockets' paths might be too long
    section.args = [] if trial else ["--KernelManager.transport=ipc"]
    section.notebook_dir = "~"
    # seconds; on a busy machine JupyterHub's own 30 end a server that is about to answer
    section.start_timeout = section.http_timeout = 120
    section.poll_interval = containers.POLL_SECONDS
    c.SimpleLocalProcessSpawner.home_dir_template = str(layout.homes / "{username}")
    return servers.guard_environment(layout, [])


def _services(c: Any, settings: Settings, layout: Layout) -> None:
    # an administrator: JupyterHub lets nobody else take an administrator's rights away. Whoever can read the token can
    # read the cookie secret, too
    token = tokens.read_or_make(layout.hubctl_token)
    services: list[dict[str, Any]] = [{"name": "hubctl", "api_token": token, "admin": True}]
    roles: list[dict[str, Any]] = []
    if layout.metrics_token.exists():  # without it, the hub forgets the service and every token that it has had
        services.append({"name": "metrics", "api_token": tokens.read_or_make(layout.metrics_token)})
        roles.append({"name": "metrics", "services": ["metrics"], "scopes": ["read:metrics"]})
    if settings.idle_culler.enabled:
        timeout = int(settings.idle_culler.timeout.total_seconds())
        command = [sys.executable, "-P", "-m", "jupyterhub_idle_culler", f"--timeout={timeout}"]
        # in the hub's folder, by which what a killed hub has left is told, wherever `jupyterhub` was started
        services.append({"name": "idle-culler", "command": command, "cwd": str(layout.state)})
        scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
        roles.append({"name": "idle-culler", "services": ["idle-culler"], "scopes": scopes})
    c.JupyterHub.services = services
    c.JupyterHub.load_roles = roles


def _execute(path: Path, c: Any) -> None:
    """Runs one of the administrator's files with ``c`` and ``get_config()``, as JupyterHub does with its own."""
    try:
        runpy.run_path(str(path), init_globals={"c": c, "get_config": lambda: c})
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        line = line or (frames[-1].lineno if frames else 1)
        raise HubError(f"{path}:{line}: {type(error).__name__}: {error}") from None
