"""A Docker Engine within a server whose first process is systemd: what it needs there, and what it has to give back."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.containers import Container
from tests.systemd.server import booted

RIGHTS = (
    "--cap-add=NET_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=systempaths=unconfined",
    "--volume=/var/lib/docker",
    f"--volume={Path(__file__).with_name('daemon.json')}:/etc/docker/daemon.json:ro",
)
"""Of the server, for its containers' networks and their /proc; images can't lie on a container's own layers.

It has no network but the server's, which has none.
"""

# Control groups of version 1 that systemd mounts in a container are the machine's, and outlive the container.
_END = """
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force
systemctl stop docker.socket docker.service
for kind in hugetlb perf_event net_cls,net_prio; do
    [ ! -d "/sys/fs/cgroup/$kind" ] || find "/sys/fs/cgroup/$kind" -depth -mindepth 1 -type d -exec rmdir {} +
done
"""


@contextmanager
def with_engine(mounts: dict[Path, str], packages: Sequence[str] = ()) -> Iterator[Container]:
    """A server with an engine that answers; ``mounts`` and further ``packages`` as for ``booted``."""
    with booted(mounts, ("docker.io", *packages), RIGHTS) as server:
        try:
            server.shell("docker info")
            yield server
        finally:
            _give_back(server)


def load(server: Container, image: str) -> None:
    """Gives an image of this machine's Docker to the server's own."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        command = ["docker", "exec", "--interactive", server.id, "docker", "load"]
        subprocess.run(command, stdin=saving.stdout, check=True, capture_output=True)
    assert saving.returncode == 0


def _give_back(server: Container) -> None:
    """Ends the engine, and removes the groups that it has made where the machine itself has none mounted.

    One that is left keeps them all there, and then the machine's own engine never hears that memory was short.
    """
    server.run("sh", "-c", _END, check=False)
