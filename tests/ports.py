"""Ports for servers that tests start."""

import random
import socket

_reserved: list[socket.socket] = []


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[int]:
    """Ports that nobody has now, on any address, below those that outgoing connections take.

    Until this process ends they are given to no other test, in whatever process it runs.
    """
    found: list[int] = []
    for port in random.sample(range(12000, 20000), 1000):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                _reserve(port)
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def _reserve(port: int) -> None:
    """Takes a name that can be taken once, without a file, for as long as this process lives (unix(7), abstract)."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0hubforge-test-port-{port}")
    except OSError:
        name.close()
        raise
    _reserved.append(name)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One of them."""
    return free_ports(1, kind)[0]


def listens(address: tuple[str, int]) -> bool:
    """Whether somebody takes connections at ``address``."""
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
