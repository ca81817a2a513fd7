"""Ports for servers that tests start."""

import random
import socket


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[int]:
    """Ports that nobody has now, on any address, below those that outgoing connections take."""
    found: list[int] = []
    for port in random.sample(range(12000, 20000), 1000):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One of them."""
    return free_ports(1, kind)[0]


def listens(address: tuple[str, int]) -> bool:
    """Whether somebody takes connections at ``address``."""
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
