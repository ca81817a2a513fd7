"""What the proxy's guard (``proxyguard.cjs``) knows of users' servers: one file a server, named by its address."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hubctl import wholefile
from hubctl.layout import Layout
from hubctl.processes import Process

MODULES = [Path(__file__).with_name(name) for name in ("proxyguard.cjs", "proxycertificate.cjs")]
"""What is loaded into the proxy."""


@dataclass(frozen=True)
class Record:
    """How to tell the server that was started from another one at its address.

    Attributes:
        pid: the server's process, or its container's first one. A network of the container's own, and so its address,
            is its own until this process ends.
        started: when that process started, in clock ticks since boot.
        inode: on the host's network, the socket that listens; None where the container has a network of its own.
    """

    pid: int
    started: int
    inode: int | None

    @classmethod
    def of(cls, pid: int, inode: int | None) -> "Record | None":
        """The record of a running server; None where it has ended."""
        process = Process.of(pid)
        return cls(pid, process.started, inode) if process else None


def write(layout: Layout, address: str, record: Record) -> None:
    """Writes the record of the server at ``address`` (``127.0.0.1:20000``), whole or not at all."""
    values = {name: value for name, value in asdict(record).items() if value is not None}
    wholefile.write(folder(layout) / address, json.dumps(values), mode=0o600)


def read(layout: Layout, address: str) -> Record | None:
    """The record of the server at ``address``; None where there is none."""
    try:
        values = json.loads((folder(layout) / address).read_text(encoding="ascii"))
        return Record(values["pid"], values["started"], values.get("inode"))
    except (OSError, ValueError, KeyError):
        return None


def remove(layout: Layout, address: str) -> None:
    """Forgets the server at ``address``: the proxy sends nothing there any more."""
    (folder(layout) / address).unlink(missing_ok=True)


def folder(layout: Layout) -> Path:
    """The folder of the records, made where it is missing: users see and change nothing there."""
    path = layout.runtime / "servers"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def guard_environment(layout: Layout, networks: list[str]) -> dict[str, str]:
    """The variables that load the guard, and what takes new certificates, into the proxy.

    Args:
        networks: where containers have their addresses (``172.17.0.0/16``); the loopback is guarded in any case.
    """
    required = " ".join(f'--require "{module}"' for module in MODULES)
    others = os.environ.get("NODE_OPTIONS", "").replace(required, "").strip()
    return {
        "NODE_OPTIONS": f"{others} {required}".strip(),
        "HUBFORGE_SERVERS": str(folder(layout)),
        "HUBFORGE_GUARDED": ",".join(["127.0.0.0/8", *networks]),
    }
