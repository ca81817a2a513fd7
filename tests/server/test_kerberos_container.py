"""A running container sees the tickets that come after its start."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import docker
import pytest
from kerberos_support import PASSWORD, REALM, USER, Login, as_user

pytest_plugins = ["docker_support", "kerberos_support"]

Klist = Callable[[], str]


@pytest.fixture
def klist(login: Login, engine: docker.APIClient, image: str) -> Iterator[Klist]:
    """What klist prints in a container that got what the authenticator gives to a spawner, and nothing else."""
    login()
    spawner = SimpleNamespace(environment={}, volumes={})
    asyncio.run(login.authenticator().pre_spawn_start(SimpleNamespace(name=USER), spawner))
    binds = {path: {"bind": inside, "mode": "rw"} for path, inside in spawner.volumes.items()}
    binds[sys.prefix] = {"bind": sys.prefix, "mode": "ro"}
    account = as_user()
    container = engine.create_container(
        image,
        ["sleep", "600"],
        user=f"{account.uid}:{account.gid}",
        environment=spawner.environment,
        host_config=engine.create_host_config(binds=binds, network_mode="none", cap_drop=["ALL"]),
    )["Id"]
    engine.start(container)

    def run() -> str:
        command = engine.exec_create(container, [f"{sys.prefix}/bin/klist"], user=f"{account.uid}:{account.gid}")["Id"]
        return bytes(engine.exec_start(command)).decode()

    yield run
    engine.remove_container(container, force=True)


def test_container_sees_the_users_ticket(klist: Klist, login: Login) -> None:
    shown = klist()
    assert f"Ticket cache: FILE:{login.cache}" in shown
    assert f"Default principal: {USER}@{REALM}" in shown


def test_container_sees_a_renewed_ticket_at_once(klist: Klist, login: Login) -> None:
    before = klist()
    wait_a_second()  # klist shows no fractions
    asyncio.run(login.authenticator().tickets.renew(as_user()))
    after = klist()
    assert f"krbtgt/{REALM}" in after
    assert after != before


def test_container_sees_the_ticket_of_a_new_login_at_once(klist: Klist, login: Login) -> None:
    before = klist()
    wait_a_second()
    assert login(password=PASSWORD) is not None
    after = klist()
    assert f"krbtgt/{REALM}" in after
    assert after != before


def test_container_has_no_ticket_once_it_is_destroyed(klist: Klist, login: Login) -> None:
    assert f"krbtgt/{REALM}" in klist()
    asyncio.run(login.authenticator().tickets.destroy(as_user()))
    assert "No credentials cache found" in klist()


def wait_a_second() -> None:
    time.sleep(1.1)
