"""Servers whose first process is systemd, without network, and what tests of the hub's service ask them for."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT

PACKAGES = ("dbus", "procps", "systemd", "systemd-sysv")

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
UNIT = "jupyterhub.service"
PROXY = "jupyterhub-proxy.service"
SLICE = "jupyterhub.slice"

USER, PASSWORD = "alice", "correct-horse"

# What systemd needs of a container: to mount, its own control groups, and folders that are empty after a boot.
RIGHTS = (
    "--cap-add=SYS_ADMIN",
    "--security-opt=apparmor=unconfined",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec",
    "--stop-signal=SIGRTMIN+3",
)


@contextmanager
def booted(mounts: dict[Path, str], packages: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Container]:
    """Such a server, once it has booted.

    Args:
        mounts: folders of this machine, read-only there; the tests are in /tests.
        packages: of Debian's, beside what systemd needs.
        options: further ones of ``docker run``.
    """
    there = {**mounts, Path(__file__).parents[1]: "/tests"}
    image = base_image("bookworm", (*PACKAGES, *packages))
    with running(image, *RIGHTS, *options, mounts=there, program="/sbin/init") as server:
        wait_for_boot(server)
        yield server


def wait_for_boot(server: Container) -> None:
    wait_for(server, "systemctl is-system-running | grep -qxE 'running|degraded'")


def wait_for(server: Container, condition: str) -> None:
    deadline = time.monotonic() + 300
    while server.run("sh", "-euc", condition, check=False).returncode:
        assert time.monotonic() < deadline, f"waited in vain for: {condition}\n{journal(server)}"
        time.sleep(0.2)


def wait_for_hub(server: Container) -> None:
    wait_for(server, f"{HUBCTL} status")


def journal(server: Container) -> str:
    return server.shell(f"journalctl --sync; journalctl --no-pager --output=cat --unit={UNIT}")


def main_process(server: Container, unit: str = UNIT) -> str:
    return server.shell(f"systemctl show --property=MainPID --value {unit}").strip()


def log_in(server: Container) -> str:
    """The version of the Jupyter server that the user reaches."""
    command = (f"{ENVIRONMENT}/bin/python", "-B", "/tests/login.py", "https://localhost:8000", USER)
    return server.run(*command, text=f"{PASSWORD}\n").stdout
