"""The hub as a service: a server with systemd as its first process, without network, on which the installer has run."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container
from tests.product import ENVIRONMENT
from tests.systemd.server import (
    HUBCTL,
    PASSWORD,
    PROXY,
    SLICE,
    UNIT,
    USER,
    booted,
    journal,
    log_in,
    main_process,
    wait_for,
    wait_for_boot,
    wait_for_hub,
)

OPENSSL = f"{ENVIRONMENT}/bin/openssl"
SITE = "/etc/jupyterhub/jupyterhub_config.d/10-site.py"
NEW_PAIR = f"""
cd /etc/jupyterhub/ssl
{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=bare -keyout hub.key -out hub.crt 2>/dev/null
"""


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[Container]:
    """Such a server, with a user who may log in."""
    with booted({installer.parent: "/dist"}) as container:
        container.run("bash", f"/dist/{installer.name}", "-b")
        container.shell(f"useradd -m -G jupyterhub {USER}; echo {USER}:{PASSWORD} | chpasswd")
        yield container


@pytest.fixture
def service(server: Container) -> Container:
    """The same, with a hub that answers; it runs on for the next test."""
    server.shell(f"systemctl reset-failed {UNIT}; {HUBCTL} start")
    return server


def shown_certificate(server: Container) -> str:
    """What a new connection gets, PEM."""
    code = "import ssl; print(ssl.get_server_certificate(('localhost', 8000)), end='')"
    return server.run(f"{ENVIRONMENT}/bin/python", "-c", code).stdout


def running_programs(server: Container) -> str:
    """Those of the prefix; the brackets keep the search from finding itself."""
    return server.shell("pgrep -fa '[/]opt/miniconda3' || true")


def interrupted(server: Container, condition: str, verb: str) -> "subprocess.CompletedProcess[str]":
    """What `hubctl VERB` says to ctrl-C, typed when a condition has come about."""
    program = (f"{ENVIRONMENT}/bin/python", "-B", "/tests/interrupting.py")
    return server.run(*program, condition, HUBCTL, verb, check=False)


def test_the_installer_enables_the_service_and_does_not_start_it(server: Container) -> None:
    assert server.shell(f"systemctl is-enabled {UNIT}") == "enabled\n"
    assert server.shell(f"systemctl is-active {UNIT} || true") == "inactive\n"
    assert server.shell("stat -c '%U %a' /run/jupyterhub /run/jupyterhub/tickets") == "root 755\nroot 711\n"


def test_systemd_understands_every_line_of_the_unit(server: Container) -> None:
    files = [f"/etc/systemd/system/{unit}" for unit in (UNIT, PROXY, SLICE)]
    verified = server.run("systemd-analyze", "verify", *files)
    assert "jupyterhub" not in verified.stdout + verified.stderr


@pytest.mark.parametrize("unit", [UNIT, PROXY])
def test_every_protection_that_systemd_knows_is_set_or_said_to_be_missing_for_a_reason(
    server: Container, unit: str
) -> None:
    text = server.shell(f"cat /etc/systemd/system/{unit}")
    known = json.loads(server.run("systemd-analyze", "security", "--json=short", unit, check=False).stdout)
    # names are `PrivateTmp=`, `SystemCallFilter=~@clock`, `User=/DynamicUser=`
    missing = {entry["name"].partition("=")[0] for entry in known if entry["set"] is False}
    assert len(missing) > 5
    assert sorted(name for name in missing if f"{name}=" not in text) == []


def test_a_user_logs_in_at_the_service_and_its_journal_says_so_without_the_password(service: Container) -> None:
    assert log_in(service).startswith("2.")
    assert service.shell(f"systemctl is-active {UNIT}") == "active\n"
    shown = service.shell(f"{HUBCTL} logs --lines 1000")
    assert f"User logged in: {USER}" in shown
    assert PASSWORD not in shown


def test_start_says_why_the_hub_ended_and_doctor_that_it_does_so_each_time(server: Container) -> None:
    broken = "/etc/jupyterhub/jupyterhub_config.d/10-broken.py"
    server.shell(f"{HUBCTL} stop; echo 'raise RuntimeError(\"no such thing\")' >{broken}")
    started = server.run(HUBCTL, "start", check=False)
    # each try takes a while, and is a hub that runs as long
    wait_for(server, f"{HUBCTL} doctor | grep 'fault    service: {UNIT} has failed (Result='")
    stopped = server.shell(f"{HUBCTL} stop; rm {broken}")
    assert started.returncode == 1
    assert "The hub ended" in started.stderr
    assert "no such thing" in started.stderr
    assert "was stopped" in stopped, "systemd would start it again"
    assert server.shell(f"systemctl show --property=SubState --value {UNIT}") in ("dead\n", "failed\n")


def test_whoever_mends_something_may_start_as_often_as_it_takes(server: Container) -> None:
    """Starts of the last hour count: a busy machine may need more than the shipped 300 s for as many."""
    drop_in = f"/run/systemd/system/{UNIT}.d"
    server.shell(f"mkdir -p {drop_in}; printf '[Unit]\\nStartLimitIntervalSec=1h\\n' >{drop_in}/hour.conf")
    server.shell("systemctl daemon-reload")
    server.shell("for number in 1 2 3 4 5 6; do systemctl start jupyterhub || true; systemctl stop jupyterhub; done")
    assert server.run("systemctl", "start", UNIT, check=False).returncode, "systemd counts starts"
    server.shell(f"{HUBCTL} start; {HUBCTL} stop; rm -r {drop_in}; systemctl daemon-reload")


WAITS = """
from pathlib import Path
from time import sleep
while not Path("/run/may-go-on").exists():
    sleep(0.1)
"""
"""Python of a site for which a hub's start takes its time."""


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_ctrl_c_while_systemd_starts_the_hub_says_that_it_goes_on(server: Container, verb: str) -> None:
    server.shell(f"{HUBCTL} {'stop' if verb == 'start' else 'start'}; rm -f /run/may-go-on")
    server.run("sh", "-c", f"cat >{SITE}", text=WAITS)
    before = main_process(server)
    under_way = f"systemctl show --property=MainPID --value {UNIT} | grep -vqx -e 0 -e {before}"
    ended = interrupted(server, under_way, verb)
    server.shell("touch /run/may-go-on")
    wait_for_hub(server)
    server.shell(f"rm {SITE}; {HUBCTL} stop")
    left = "systemd goes on with it, `hubctl status` shows how far it is, and `hubctl stop` ends the hub"
    assert (ended.returncode, ended.stdout) == (130, f"hubctl: interrupted: {left}\n")


STOPS_LATER = """
[Service]
ExecStop=/bin/sh -c 'until [ -e /run/may-go-on ]; do sleep 0.1; done'
"""
"""Of a unit: its processes are told to end when that has ended, so a stop takes its time."""


def test_ctrl_c_while_systemd_stops_the_hub_says_how_that_is_finished(service: Container) -> None:
    drop_in = f"/run/systemd/system/{UNIT}.d"
    service.shell(f"rm -f /run/may-go-on; mkdir -p {drop_in}")
    service.run("sh", "-c", f"cat >{drop_in}/later.conf; systemctl daemon-reload", text=STOPS_LATER)
    under_way = f"systemctl show --property=ActiveState --value {UNIT} | grep -qx deactivating"
    ended = interrupted(service, under_way, "stop")
    service.shell(f"touch /run/may-go-on; {HUBCTL} stop; rm -r {drop_in}; systemctl daemon-reload")
    left = "what was told to end may not have ended yet, `hubctl stop` finishes it"
    assert (ended.returncode, ended.stdout) == (130, f"hubctl: interrupted: {left}\n")
    assert service.shell(f"systemctl show --property=SubState --value {UNIT}") == "dead\n"
    assert running_programs(service) == ""


def test_the_hub_comes_before_the_users_where_processors_are_short(service: Container) -> None:
    assert service.shell(f"systemctl show --property=CPUWeight --value {SLICE}") == "1000\n"
    groups = service.shell(f"cat /proc/{main_process(service)}/cgroup")
    assert f"/{SLICE}/{UNIT}" in groups


def test_a_reload_of_the_unit_shows_a_new_certificate_and_restarts_nothing(service: Container) -> None:
    before, hub = shown_certificate(service), main_process(service)
    service.shell(NEW_PAIR)
    service.shell(f"systemctl reload {UNIT}")
    assert shown_certificate(service) == service.shell("cat /etc/jupyterhub/ssl/hub.crt") != before
    assert main_process(service) == hub


def test_a_reload_with_a_broken_pair_fails_says_so_in_the_journal_and_ends_nothing(service: Container) -> None:
    before, hub = shown_certificate(service), main_process(service)
    service.shell(f"cd /etc/jupyterhub/ssl; cp -p hub.key right.key; {OPENSSL} genrsa -out hub.key 2>/dev/null")
    assert service.run("systemctl", "reload", UNIT, check=False).returncode
    service.shell("cd /etc/jupyterhub/ssl; mv right.key hub.key")
    assert "goes on with the certificate as before" in journal(service)
    assert shown_certificate(service) == before
    assert main_process(service) == hub
    wait_for_hub(service)


def test_a_hub_that_crashes_is_started_again_by_systemd(service: Container) -> None:
    crashed = main_process(service)
    service.shell(f"kill -KILL {crashed}")
    wait_for(service, f"systemctl show --property=MainPID --value {UNIT} | grep -vqx -e 0 -e {crashed}")
    wait_for_hub(service)
    assert log_in(service).startswith("2.")


def test_tickets_outlive_a_restart_of_the_hub(service: Container) -> None:
    service.shell(f"mkdir -p /run/jupyterhub/tickets/{USER} && echo ticket >/run/jupyterhub/tickets/{USER}/krb5cc")
    service.shell(f"systemctl restart {UNIT}")
    wait_for_hub(service)
    assert service.shell(f"cat /run/jupyterhub/tickets/{USER}/krb5cc") == "ticket\n"


def test_stopping_ends_the_proxy_and_the_users_local_servers_too(service: Container) -> None:
    log_in(service)
    assert service.shell(f"pgrep -u {USER}")
    service.shell(f"{HUBCTL} stop")
    assert service.shell(f"systemctl is-active {UNIT} || true") == "inactive\n"
    assert service.shell(f"pgrep -u {USER} || true") == ""
    assert running_programs(service) == ""


def test_a_drop_in_that_is_restored_is_in_force(server: Container) -> None:
    folders = "/etc/systemd/system/jupyterhub.service.d /etc/systemd/system/jupyterhub.slice.d"
    server.shell(f"{HUBCTL} stop; mkdir {folders}")
    server.shell(f"for folder in {folders}; do printf '[Unit]\\nDescription=Ours\\n' >$folder/override.conf; done")
    server.shell(f"{HUBCTL} backup /srv/hub.tar.gz; rm -r {folders}; systemctl daemon-reload")
    described = f"systemctl show --property=Description --value {UNIT} {SLICE}"
    assert "Ours" not in server.shell(described)
    server.shell(f"{HUBCTL} restore --yes /srv/hub.tar.gz")
    restored = server.shell(described)
    server.shell(f"rm -r {folders} /srv/hub.tar.gz; systemctl daemon-reload")
    assert restored.split() == ["Ours", "Ours"]


def test_an_edited_unit_that_is_restored_is_in_force(server: Container) -> None:
    file = f"/etc/systemd/system/{UNIT}"
    server.shell(f"{HUBCTL} stop; cp -p {file} /srv/shipped; sed -i 's/^Description=.*/Description=Ours/' {file}")
    server.shell(f"{HUBCTL} backup /srv/hub.tar.gz; cp -p /srv/shipped {file}; systemctl daemon-reload")
    described = f"systemctl show --property=Description --value {UNIT}"
    assert "Ours" not in server.shell(described)
    server.shell(f"{HUBCTL} restore --yes /srv/hub.tar.gz")
    restored = server.shell(described)
    server.shell(f"mv /srv/shipped {file}; rm /srv/hub.tar.gz; systemctl daemon-reload")
    assert restored == "Ours\n"


def test_after_a_boot_the_hub_is_there_by_itself(server: Container) -> None:
    server.reboot()
    wait_for_boot(server)
    wait_for_hub(server)
    assert log_in(server).startswith("2.")
    server.shell(f"{HUBCTL} stop")


def test_a_service_that_the_administrator_disabled_stays_disabled(server: Container) -> None:
    server.shell(f"systemctl disable {UNIT}; {HUBCTL} setup")
    assert server.shell(f"systemctl is-enabled {UNIT} || true") == "disabled\n"
    server.shell(f"systemctl enable {UNIT}")


def test_uninstalling_leaves_systemd_without_the_service(server: Container) -> None:
    server.shell(f"{HUBCTL} start")
    server.shell("bash /dist/hub-installer.sh --uninstall -b")
    assert server.shell("systemctl list-units --all --no-legend '*jupyterhub*'") == ""
    assert server.shell(f"systemctl is-enabled {UNIT} 2>&1 || true") != "enabled\n"
    assert running_programs(server) == ""
    left = server.shell("find /etc/systemd /etc/tmpfiles.d /run/jupyterhub -name '*jupyterhub*' 2>/dev/null || true")
    assert left == ""
