"""The proxy as a service of its own (``proxy_service: true``): users' connections outlive a restart of the hub.

jupyterhub.service runs ``python -m hubctl.proxyservice --prepare`` before the hub: it writes down how the proxy is to
be started, and starts or ends jupyterhub-proxy.service, which runs ``python -m hubctl.proxyservice``.
"""

import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from traitlets.config.loader import PyFileConfigLoader

from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl import systemd, tokens, wholefile
from hubctl.errors import HubError
from hubctl.layout import Layout

VARIABLES = ("PATH", "NODE_OPTIONS", "HUBFORGE_SERVERS", "HUBFORGE_GUARDED")
"""What the hub's configuration sets for a proxy."""


def prepare(layout: Layout) -> None:
    """Has the service running as the hub's configuration wants it; one that runs so already is left alone.

    Raises:
        HubError: systemd does not start it, or the settings are wrong.
    """
    if not hub_settings.load(layout.settings).proxy_service:
        layout.proxy_plan.unlink(missing_ok=True)
        if systemd.main_process(systemd.PROXY_UNIT):
            systemd.systemctl("stop", systemd.PROXY_UNIT)
        return
    plan = json.dumps(_plan(layout), indent=1)
    changed = not layout.proxy_plan.exists() or layout.proxy_plan.read_text(encoding="utf-8") != plan
    wholefile.write(layout.proxy_plan, plan, mode=0o600)
    systemd.systemctl("restart" if changed else "start", systemd.PROXY_UNIT)


def _plan(layout: Layout) -> dict[str, Any]:
    """The command line and the environment that the hub itself would start the proxy with, but for the token."""
    c: Any = PyFileConfigLoader(str(places.hub_config())).load_config()
    public, api, hub = (
        urlsplit(url) for url in (c.JupyterHub.bind_url, c.ConfigurableHTTPProxy.api_url, c.JupyterHub.hub_bind_url)
    )
    options = {
        "--ip": public.hostname,
        "--port": public.port,
        "--api-ip": api.hostname,
        "--api-port": api.port,
        "--error-target": f"{hub.geturl()}{public.path.rstrip('/')}/hub/error",
        "--log-level": "info",
        "--ssl-key": c.JupyterHub.ssl_key,
        "--ssl-cert": c.JupyterHub.ssl_cert,
        "--pid-file": layout.proxy_pid,
    }
    words = [str(word) for option in options.items() for word in option]
    variables = {name: os.environ[name] for name in VARIABLES}
    return {"command": [*c.ConfigurableHTTPProxy.command, *words], "environment": variables}


def become(layout: Layout) -> None:
    """Becomes the proxy. Its token comes from its file, and is in no command line.

    Raises:
        HubError: nobody has said how, or there is no token.
    """
    try:
        plan = json.loads(layout.proxy_plan.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise HubError(
            f"{layout.proxy_plan} does not say how to start the proxy", "`hubctl start` starts both"
        ) from None
    token = {"CONFIGPROXY_AUTH_TOKEN": tokens.read_or_make(layout.proxy_token)}
    os.execve(plan["command"][0], plan["command"], {**os.environ, **plan["environment"], **token})


if __name__ == "__main__":
    try:
        (prepare if sys.argv[1:] == ["--prepare"] else become)(Layout.current())
    except HubError as error:
        sys.exit(f"hubctl: {error}")
