"""jupyterhub.service on a server of a domain whose users work in containers: systemd, Docker, KDC, no network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container, base_image
from tests.integration.test_sssd import KDC_CONF, KRB5_CONF, write
from tests.product import ENVIRONMENT, ready_servers
from tests.spawn_site import SERVER
from tests.systemd.engine import load, with_engine
from tests.systemd.server import HUBCTL, UNIT, main_process, wait_for, wait_for_hub
from tests.waiting import wait_for as wait_until

PACKAGES = ("krb5-admin-server", "krb5-kdc", "krb5-user", "libpam-krb5")

USER, PASSWORD = "analyst", "battery-staple-3Wz!"
TICKETS = f"/run/jupyterhub/tickets/{USER}"
PROGRAM = "/usr/local/bin/jupyterhub-singleuser"

MAKE_REALM = f"""
kdb5_util create -s -r HUBFORGE.TEST -P master
kadmin.local -q 'addprinc -pw {PASSWORD} {USER}'
kadmin.local -q 'addprinc -randkey host/bare'
kadmin.local -q 'ktadd host/bare'
systemctl restart krb5-kdc
useradd --create-home {USER}
"""

HUB_YAML = """\
auth: kerberos
spawner: docker
docker:
  network: host
  images:
    - {{name: Small, image: {image}}}
"""

SITE = f"""\
c.JupyterHub.redirect_to_server = False
c.DockerSpawner.read_only_volumes = {{'/opt/singleuser': '{PROGRAM}'}}
"""
"""A small program plays Jupyter's server: this is about the hub."""

ASK = f"""
import sys
from login import Session
session = Session("https://localhost:8000")
session.log_in("{USER}", sys.stdin.readline().rstrip("\\n"))
if sys.argv[1:] == ["start"]:
    session.get("/hub/spawn/{USER}?image=Small")
    session.wait_for_server("{USER}")
print(session.get("/user/{USER}/whoever"))
"""


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[Container]:
    """Such a server, whose hub answers."""
    image = base_image("bookworm", ("python3-minimal",))
    with with_engine({installer.parent: "/dist"}, PACKAGES) as container:
        load(container, image)
        write(container, "/etc/krb5.conf", KRB5_CONF)
        write(container, "/etc/krb5kdc/kdc.conf", KDC_CONF)
        container.shell(f"chmod 644 /etc/krb5.conf\n{MAKE_REALM}")
        container.run("bash", f"/dist/{installer.name}", "-b")
        container.shell(f"usermod --append --groups jupyterhub {USER}")
        write(container, "/etc/jupyterhub/hub.yaml", HUB_YAML.format(image=image))
        write(container, "/etc/jupyterhub/jupyterhub_config.d/10-test.py", SITE)
        write(container, "/opt/singleuser", SERVER)
        container.shell(f"chmod 755 /opt/singleuser; {HUBCTL} start")
        yield container


def ask(server: Container, *arguments: str) -> str:
    """Logs in with the password, and gives what the user's server answers."""
    command = ("env", "PYTHONPATH=/tests", f"{ENVIRONMENT}/bin/python", "-B", "-c", ASK, *arguments)
    return server.run(*command, text=f"{PASSWORD}\n").stdout.strip()


def container_of_the_user(server: Container) -> str:
    """The container, and since when it runs."""
    return server.shell(f"docker inspect --format '{{{{.Id}}}} {{{{.State.StartedAt}}}}' jupyter-{USER}")


def ticket(server: Container, where: str = "") -> str:
    return server.shell(f"{where} sha256sum {TICKETS}/krb5cc").split()[0]


# One story: each test goes on with the container of the one before.


def test_a_domain_user_logs_in_and_the_container_has_the_ticket(server: Container) -> None:
    assert ask(server, "start") == USER
    assert ready_servers(server) == [USER]
    inside = f"docker exec jupyter-{USER}"
    assert ticket(server, inside) == ticket(server)
    cache = f"KRB5CCNAME=FILE:{TICKETS}/krb5cc"
    assert cache in server.shell(f"{inside} env").split()
    assert f"Default principal: {USER}@HUBFORGE.TEST" in server.shell(f"env {cache} klist")


def test_a_reload_leaves_hub_and_container_alone(server: Container) -> None:
    container, hub = container_of_the_user(server), main_process(server)
    server.shell(f"systemctl reload {UNIT}")
    assert (container_of_the_user(server), main_process(server)) == (container, hub)
    assert ask(server) == USER


def test_a_restart_finds_the_container_again_which_sees_the_next_ticket(server: Container) -> None:
    container, hub, before = container_of_the_user(server), main_process(server), ticket(server)
    server.shell(f"systemctl restart {UNIT}")
    wait_for_hub(server)
    assert main_process(server) != hub
    assert container_of_the_user(server) == container
    wait_until("the user's server", lambda: ready_servers(server) == [USER])
    assert ask(server) == USER
    assert ticket(server) != before, "a login gets another one"
    assert ticket(server, f"docker exec jupyter-{USER}") == ticket(server)


def test_the_container_outlives_a_stop_and_is_found_by_the_next_start(server: Container) -> None:
    container = container_of_the_user(server)
    server.shell(f"{HUBCTL} stop")
    assert container_of_the_user(server) == container
    server.shell(f"{HUBCTL} start")
    assert ask(server) == USER
    assert container_of_the_user(server) == container


def test_ending_the_server_in_the_hub_removes_the_container(server: Container) -> None:
    server.shell(f"{HUBCTL} user stop {USER}")
    wait_for(server, f"! docker inspect jupyter-{USER}")
    assert ready_servers(server) == []
