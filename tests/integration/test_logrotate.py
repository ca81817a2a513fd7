"""Debian's logrotate and the log of a hub that runs without systemd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT
from tests.waiting import wait_for

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
FILE = "/etc/logrotate.d/jupyterhub"
LOG = "/var/log/jupyterhub/jupyterhub.log"

VISITS = """
import itertools, pathlib, ssl, urllib.request
context = ssl._create_unverified_context()
for number in itertools.count({first}):
    last = pathlib.Path("/tmp/enough").exists()
    urllib.request.urlopen(f"https://localhost:8000/hub/login?visit-{{number:05}}", context=context).read()
    if last:
        break
print(number)
"""
"""Visits the hub until there is that file, and then once more; prints the last visit's number."""


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[Container]:
    """A server with logrotate and a hub that runs."""
    with running(base_image("bookworm", ("logrotate",)), mounts={installer.parent: "/dist"}) as container:
        container.run("bash", f"/dist/{installer.name}", "-b")
        container.run(HUBCTL, "start")
        yield container


def test_logrotate_understands_its_file_and_finds_nothing_to_do_yet(server: Container) -> None:
    tried = server.run("logrotate", "--debug", FILE)
    assert "error" not in tried.stderr
    assert f"considering log {LOG}" in tried.stderr
    assert "log does not need rotating" in tried.stderr


def test_nothing_is_lost_while_a_log_that_is_written_is_rotated_and_compressed(server: Container) -> None:
    rotate = f"timeout 120 sh -c 'until grep -q visit- {LOG}; do sleep 0.1; done'; logrotate --force {FILE}"
    visit = f"{ENVIRONMENT}/bin/python -B -c '{VISITS.format(first=0)}'"
    last = int(server.shell(f"{visit} & {rotate}; {rotate}; {rotate}; touch /tmp/enough; wait $!"))
    wait_for("the last visit in the log", lambda: f"visit-{last:05}" in server.shell(f"cat {LOG}"))
    names = server.shell("ls /var/log/jupyterhub").split()
    assert names == ["jupyterhub.log", "jupyterhub.log.1", "jupyterhub.log.2.gz", "jupyterhub.log.3.gz"]
    said = server.shell("cd /var/log/jupyterhub; gzip -cdf *.3.gz *.2.gz *.1 *.log | grep -o 'visit-[0-9]*'").split()
    assert said == [f"visit-{number:05}" for number in range(last + 1)]
    assert server.shell(f"stat -c '%U %a' {LOG}") == "root 640\n"


def test_logs_are_followed_over_a_rotation(server: Container) -> None:
    visit = f"touch /tmp/enough; {ENVIRONMENT}/bin/python -B -c '{VISITS}'"
    server.shell(f"{HUBCTL} logs -f >/tmp/followed 2>/dev/null & echo $! >/tmp/follower")

    def visited(number: int) -> bool:
        """Looks whether what follows has come to this visit."""
        return f"visit-{number}" in server.shell("cat /tmp/followed")

    try:
        server.shell(visit.format(first=77777))
        wait_for("the visit before the rotation", lambda: visited(77777))
        server.shell(f"logrotate --force {FILE}")
        server.shell(visit.format(first=88888))
        wait_for("the visit after the rotation", lambda: visited(88888))
    finally:
        server.shell("kill $(cat /tmp/follower)")


def test_uninstalling_takes_logrotates_file_away(server: Container) -> None:
    server.shell("bash /dist/hub-installer.sh --uninstall -b")
    assert server.run("test", "-e", FILE, check=False).returncode == 1
