"""Control groups of version 1 that systemd mounts in a container: they are the machine's, and outlive the container."""

from tests.containers import Container

_END = """
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force
systemctl stop docker.socket docker.service
for kind in hugetlb perf_event net_cls,net_prio; do
    [ ! -d "/sys/fs/cgroup/$kind" ] || find "/sys/fs/cgroup/$kind" -depth -mindepth 1 -type d -exec rmdir {} +
done
"""


def give_back(server: Container) -> None:
    """Ends the Docker Engine within, and removes the groups that it has made where the machine itself has none mounted.

    One that is left keeps them all there, and then the machine's own engine never hears that memory was short.
    """
    server.run("sh", "-c", _END, check=False)
