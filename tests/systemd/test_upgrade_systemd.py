"""An upgrade of a hub that systemd runs: left as it is, or started again with the new release."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container
from tests.systemd.server import HUBCTL, PASSWORD, UNIT, USER, booted, log_in, main_process


@pytest.fixture(scope="module")
def server(older: Path, installer: Path) -> Iterator[Container]:
    """A server on which the release before runs as a service; a user is at work."""
    with booted({older.parent: "/older", installer.parent: "/dist"}) as container:
        container.run("bash", f"/older/{older.name}", "-b")
        container.shell(f"useradd -m -G jupyterhub {USER}; echo {USER}:{PASSWORD} | chpasswd; {HUBCTL} start")
        log_in(container)
        yield container


def users_processes(server: Container) -> str:
    return server.shell(f"pgrep -u {USER}")


# Each test goes on where the one before ended.


def test_without_restart_the_service_and_the_users_servers_run_on(server: Container) -> None:
    hub, processes = main_process(server), users_processes(server)
    said = server.run("bash", "/dist/hub-installer.sh", "-b", "-u").stdout
    assert "The hub that runs is still the one before" in said
    assert (main_process(server), users_processes(server)) == (hub, processes)
    assert server.shell(f"systemctl is-active {UNIT}") == "active\n"
    assert log_in(server).startswith("2.")


def test_restart_starts_the_service_again_at_the_end_and_it_answers(server: Container) -> None:
    hub = main_process(server)
    said = server.run("bash", "/dist/hub-installer.sh", "-b", "-u", "--restart").stdout
    assert "Starting the hub again" in said
    assert main_process(server) not in (hub, "0")
    assert server.shell(f"systemctl is-active {UNIT}") == "active\n"
    server.shell(f"{HUBCTL} status")
    assert log_in(server).startswith("2.")


def test_a_service_that_is_stopped_is_not_started(server: Container) -> None:
    server.shell(f"{HUBCTL} stop")
    said = server.run("bash", "/dist/hub-installer.sh", "-b", "-u", "--restart").stdout
    assert "Starting the hub again" not in said
    assert server.shell(f"systemctl is-active {UNIT} || true") == "inactive\n"
