"""A running container sees the tickets that come after its start."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
from docker_support import SERVER
from hubctl import krb5conf
from hubctl.layout import Layout
from k5test.realm import MITRealm
from kerberos_hub import Browser, Hub, error_on, wait_until
from kerberos_support import PASSWORD, REALM, USER, Login, as_user

pytest_plugins = ["docker_support", "kerberos_support", "kerberos_hub"]

PREFIX = "hubforge-test-ticket"

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

    yield lambda: klist_in(engine, container)
    engine.remove_container(container, force=True)


def klist_in(engine: docker.APIClient, container: str) -> str:
    account = as_user()
    command = engine.exec_create(container, [f"{sys.prefix}/bin/klist"], user=f"{account.uid}:{account.gid}")["Id"]
    return bytes(engine.exec_start(command)).decode()


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


def test_container_finds_the_realm_though_the_host_includes_it_by_a_link(
    kdc: MITRealm, engine: docker.APIClient, image: str, tmp_path: Path
) -> None:
    """As RHEL's crypto-policies: `/etc/krb5.conf.d` holds links to elsewhere, which a container does not have."""
    etc, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    (etc / "krb5.conf.d").mkdir(parents=True)
    elsewhere.write_text(Path(kdc.env["KRB5_CONFIG"]).read_text())
    (etc / "krb5.conf.d/realm").symlink_to(elsewhere)
    (etc / "krb5.conf").write_text("includedir /etc/krb5.conf.d\n")
    binds = krb5conf.write(Layout(tmp_path)) | {sys.prefix: sys.prefix}
    inside = {path: {"bind": target, "mode": "ro"} for path, target in binds.items()}
    account, kinit = as_user(), f"echo {PASSWORD} | {sys.prefix}/bin/kinit -c MEMORY: {USER}@{REALM}"
    container = engine.create_container(
        image,
        ["sh", "-c", kinit],
        user=f"{account.uid}:{account.gid}",
        host_config=engine.create_host_config(binds=inside, network_mode="host"),
    )["Id"]
    try:
        engine.start(container)
        ended = engine.wait(container, timeout=60)
        assert ended["StatusCode"] == 0, engine.logs(container)
    finally:
        engine.remove_container(container, force=True)


def wait_a_second() -> None:
    time.sleep(1.1)


@pytest.fixture
def docker_hub(make_hub: Callable[..., Hub], engine: docker.APIClient, image: str) -> Iterator[Hub]:
    """A hub with containers, which looks at tickets on each request."""
    hub = make_hub(auth_refresh_age=1)
    account, server = as_user(), hub.folder / "server.sh"
    server.write_text(SERVER)
    hub.traits |= {
        "JupyterHub.spawner_class": "docker",
        "JupyterHub.cleanup_servers": False,
        "DockerSpawner.image": image,
        "DockerSpawner.prefix": PREFIX,
        "DockerSpawner.cmd": ["python3", str(server)],
        "DockerSpawner.read_only_volumes": {path: path for path in (sys.prefix, str(server))},
        "DockerSpawner.extra_create_kwargs": {"user": f"{account.uid}:{account.gid}"},
        "DockerSpawner.extra_host_config": {"cap_drop": ["ALL"]},
        "DockerSpawner.use_internal_ip": True,
        "DockerSpawner.network_name": "bridge",
        "DockerSpawner.remove": True,
    }
    yield hub.start()
    for container in engine.containers(all=True, filters={"name": f"^/{PREFIX}-"}):
        engine.remove_container(container["Id"], force=True)


def test_running_container_sees_the_ticket_that_the_login_page_asked_for(
    docker_hub: Hub, engine: docker.APIClient
) -> None:
    """A user whose ticket is over: the page says so, the container goes on, the new login's ticket is there at once."""
    hub, browser = docker_hub, Browser(docker_hub)
    assert browser.login().status_code == 302
    hub.api("POST", f"/users/{USER}/server")
    wait_until(lambda: hub.servers().get("", {}).get("ready"), "the container", lambda: hub.log)
    name = f"{PREFIX}-{USER}"
    started = engine.inspect_container(name)["State"]["StartedAt"]
    assert f"Default principal: {USER}@{REALM}" in klist_in(engine, name)

    hub.replace_ticket("-l", "1s")
    # in its last second, the page says that it nears its end
    over = "Your Kerberos ticket is over"
    wait_until(lambda: over in error_on(browser.open("home")), "the login page", lambda: hub.log)
    before = klist_in(engine, name)
    assert engine.inspect_container(name)["State"]["StartedAt"] == started

    assert browser.login().status_code == 302
    after = klist_in(engine, name)
    assert f"krbtgt/{REALM}@{REALM}" in after
    assert "renew until" in after
    assert "renew until" not in before
    assert browser.open("home").url.endswith("/home")
    assert hub.servers()[""]["ready"]
    state = engine.inspect_container(name)["State"]
    assert (state["Running"], state["StartedAt"]) == (True, started)
