"""An upgrade of a hub that systemd runs, with users in containers: these go on, and are found again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import newer_release
from tests.containers import Container, base_image
from tests.integration.upgrade_support import BUILT, HUBCTL, NEWER, OLD, kill_at, releases, schema
from tests.killing import HOLD
from tests.product import ENVIRONMENT, ready_servers
from tests.systemd.engine import load, with_engine
from tests.systemd.server import UNIT, main_process
from tests.waiting import wait_for

USERS = ("alice", "bob")

IMAGE = ("bookworm", ["python3-minimal"])
"""What the users' containers are made of; a small program plays Jupyter's server in them."""

SETTINGS = """\
auth: shared-password
spawner: docker
docker:
  network: host
  images:
    - {{name: Small, image: '{image}'}}
"""

SITE = """\
from pathlib import Path
from tests.spawn_site import lay_out_site
lay_out_site(Path("/"))
"""

VISIT = """\
import sys
sys.path.insert(0, "/tests")
from login import Session
user = sys.argv[1]
session = Session("https://localhost:8000")
session.log_in(user, "x")
session.start_any_server(user)
print(session.get(f"/user/{user}/"))
"""
"""Where the user's server runs already, it is that one."""


@pytest.fixture(scope="module")
def server(older: Path, installer: Path, published: Path) -> Iterator[Container]:
    """A server on which the release before runs as a service, and two users are at work in containers."""
    with with_engine({older.parent: "/older", installer.parent: "/dist", published: "/channel"}) as container:
        small = base_image(*IMAGE)
        load(container, small)
        container.run("bash", f"/older/{older.name}", "-b")
        container.run("sh", "-c", "cat >/etc/jupyterhub/hub.yaml", text=SETTINGS.format(image=small))
        container.shell(f"cd /; {ENVIRONMENT}/bin/python -B -c '{SITE}'")
        container.shell(f"{HUBCTL} channel set file:///channel; {HUBCTL} start")
        for user in USERS:
            visit(container, user)
        yield container


def visit(server: Container, user: str) -> None:
    """Logs in, and starts the user's server where it does not run yet; it says whose it is."""
    assert server.run(f"{ENVIRONMENT}/bin/python", "-B", "-c", VISIT, user).stdout == f"{user}\n"


def containers(server: Container) -> list[str]:
    """Those that run: name, id, and since when."""
    shown = "{{.Name}} {{.Id}} {{.State.StartedAt}}"
    return server.shell(f"docker ps --quiet | xargs --no-run-if-empty docker inspect --format '{shown}'").splitlines()


def assert_found_again(server: Container, before: list[str]) -> None:
    """The containers are those from before, for the hub and for the users."""
    assert len(before) == len(USERS)
    wait_for("the users' servers", lambda: ready_servers(server) == list(USERS))
    for user in USERS:
        visit(server, user)
    assert containers(server) == before


# Each test goes on where the one before ended.


def test_the_hub_of_the_new_release_finds_the_containers_that_have_run_on(server: Container) -> None:
    hub, before = main_process(server), containers(server)
    said = server.shell(f"{HUBCTL} upgrade --yes --restart --to {BUILT}")
    assert "\n+++ /etc/jupyterhub/hub.yaml.new\n" in said  # the older release has another default
    assert releases(server) == (BUILT, BUILT)
    assert main_process(server) not in (hub, "0")
    assert server.shell(f"systemctl is-active {UNIT}") == "active\n"
    assert_found_again(server, before)


@pytest.mark.parametrize(
    ("command", "release"),
    [
        ("bash /older/older-installer.sh -b -u --restart --allow-downgrade", OLD),
        ("bash /dist/hub-installer.sh -b -u --restart", BUILT),
    ],
    ids=["back", "forward"],
)
def test_the_installer_leaves_users_to_their_work_in_their_containers(
    server: Container, command: str, release: str
) -> None:
    hub, before = main_process(server), containers(server)
    server.shell(command)
    assert releases(server) == (release, release)
    assert main_process(server) not in (hub, "0")
    assert_found_again(server, before)


def test_killed_while_no_hub_runs_and_the_schema_changes_the_same_command_goes_on(server: Container) -> None:
    before = containers(server)
    server.shell(f"touch {HOLD}")
    upgrade = f"{HUBCTL} upgrade --yes --restart --to {NEWER}"
    kill_at(server, "half of the new schema is there", upgrade, BUILT, NEWER)
    assert server.shell(f"systemctl is-active {UNIT} || true") == "inactive\n"
    assert containers(server) == before
    server.shell(f"{HUBCTL} upgrade --yes")
    assert releases(server) == (NEWER, NEWER)
    assert newer_release.TABLE in schema(server)
    assert server.shell(f"systemctl is-active {UNIT}") == "active\n"
    assert_found_again(server, before)


def test_the_hub_that_has_found_a_container_again_can_end_it(server: Container) -> None:
    server.shell(f"{HUBCTL} user stop {USERS[0]}")
    assert [line.split()[0] for line in containers(server)] == [f"/hubforge-test-spawn-{USERS[1]}"]
