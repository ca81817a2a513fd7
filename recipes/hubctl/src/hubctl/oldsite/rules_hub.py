"""The hub itself: where it listens, what it talks to."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from hubctl.oldsite.findings import PYTHON, Findings, Rule
from hubctl.oldsite.oldconfig import Option

ADDRESS = f"users would find the hub at another address: `c.JupyterHub.base_url = …` in {PYTHON}"


def _port(findings: Findings, option: Option) -> None:
    findings.carry(option, "port", int(option.value))


def _bind_url(findings: Findings, option: Option) -> None:
    parts = urlsplit(option.value)
    if parts.port:
        findings.carry(option, "port", parts.port)
    _bind(findings, option, parts.hostname or "")
    if parts.path.strip("/"):
        findings.person(option, ADDRESS)


def _address(findings: Findings, option: Option) -> None:
    _bind(findings, option, option.value)


def _bind(findings: Findings, option: Option, host: str) -> None:
    host = {"": "0.0.0.0", "*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host)
    try:
        findings.carry(option, "bind", str(ip_address(host)))
    except ValueError:
        findings.person(option, "`bind` in hub.yaml takes an address, no name")


def _hub_port(findings: Findings, option: Option) -> None:
    findings.carry(option, "internal_ports.hub", int(option.value))


def _proxy_port(findings: Findings, option: Option) -> None:
    port = urlsplit(option.value).port if isinstance(option.value, str) else option.value
    if port:
        findings.carry(option, "internal_ports.proxy_api", port)


def named_servers(findings: Findings) -> None:
    """Named servers, of the two options that have to do with them."""
    option = findings.config.options.get("JupyterHub.allow_named_servers")
    if option is None or option.value is not True:
        return
    limit = findings.config.options.get("JupyterHub.named_server_limit_per_user")
    if limit and isinstance(limit.value, int) and limit.value > 0:
        findings.carry(limit, "named_servers", limit.value)
    else:
        findings.person(option, "say how many a user may have: `hubctl config set named_servers 5`")


RULES: dict[str, Rule] = {
    "JupyterHub.port": _port,
    "JupyterHub.bind_url": _bind_url,
    "JupyterHub.ip": _address,
    "JupyterHub.hub_port": _hub_port,
    "JupyterHub.proxy_api_port": _proxy_port,
    "Proxy.api_url": _proxy_port,
}
"""What is done with each of these options."""
