"""Where the hub itself listens, behind its proxy."""

import ipaddress

from hubctl import images
from hubctl.settings import Settings


def of(settings: Settings) -> str:
    """The loopback, or where containers on Docker's bridge reach it.

    Raises:
        HubError: Docker, which knows its bridge, does not answer.
    """
    on_bridge = settings.spawner == "docker" and settings.docker.network == "bridge"
    return bridge()[1] if on_bridge else "127.0.0.1"


def bridge() -> tuple[str, str]:
    """Docker's default network, and the host's address there: the one address of the hub that containers reach.

    Raises:
        HubError: Docker does not answer.
    """
    with images.engine() as client:
        pool = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    gateway = pool.get("Gateway") or str(next(ipaddress.ip_network(pool["Subnet"]).hosts()))
    return pool["Subnet"], gateway
