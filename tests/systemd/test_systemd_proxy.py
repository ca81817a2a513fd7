"""`proxy_service: true`: the proxy is a service of its own, so that users notice no restart of the hub."""

import subprocess

import pytest

from tests.containers import Container
from tests.product import ENVIRONMENT
from tests.systemd.server import HUBCTL, PASSWORD, PROXY, UNIT, USER, log_in, main_process, wait_for, wait_for_hub
from tests.systemd.test_systemd import server

__all__ = ["server"]


@pytest.fixture(scope="module")
def proxied(server: Container) -> Container:
    """A hub that answers, whose proxy is a service of its own, and whose users' servers outlive it.

    Containers do so by themselves; there is no Docker in this server, so the hub's processes are made to.
    """
    server.shell(
        "sed -i 's/^proxy_service: false/proxy_service: true/' /etc/jupyterhub/hub.yaml"
        f"; mkdir -p /etc/systemd/system/{UNIT}.d"
        f"; printf '[Service]\\nKillMode=process\\n' >/etc/systemd/system/{UNIT}.d/keep.conf; systemctl daemon-reload"
        "; echo 'c.JupyterHub.cleanup_servers = False' >/etc/jupyterhub/jupyterhub_config.d/10-keep.py"
        f"; {HUBCTL} start"
    )
    return server


# Each test leaves a hub that answers, but for the last.


def test_a_users_websocket_stays_open_while_the_hub_is_restarted(proxied: Container) -> None:
    hub, proxy = main_process(proxied), main_process(proxied, PROXY)
    command = ("docker", "exec", "-i", proxied.id, f"{ENVIRONMENT}/bin/python", "-B", "/tests/terminal.py")
    with subprocess.Popen(
        [*command, "https://localhost:8000", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as terminal:
        assert terminal.stdin and terminal.stdout

        def double(number: str) -> str:
            print(number, file=terminal.stdin, flush=True)
            assert terminal.stdout
            return terminal.stdout.readline()

        print(PASSWORD, file=terminal.stdin, flush=True)
        assert double("21") == "42\n"
        proxied.shell(f"systemctl stop {UNIT}")
        assert double("22") == "44\n", "without a hub"
        proxied.shell(f"systemctl restart {UNIT}")
        assert double("23") == "46\n"
        wait_for_hub(proxied)
        assert double("24") == "48\n"
        again = main_process(proxied)
        proxied.shell(f"{HUBCTL} restart")
        assert double("25") == "50\n"
        proxied.shell(f"{HUBCTL} status")
        terminal.stdin.close()
    assert len({hub, again, main_process(proxied)}) == 3
    assert main_process(proxied, PROXY) == proxy
    assert log_in(proxied).startswith("2.")


def test_a_proxy_that_crashes_is_started_again_and_gets_its_routes_back(proxied: Container) -> None:
    log_in(proxied)
    hub, proxy = main_process(proxied), main_process(proxied, PROXY)
    proxied.shell(f"kill -KILL {proxy}")
    wait_for(proxied, f"systemctl show --property=MainPID --value {PROXY} | grep -vqx -e 0 -e {proxy}")
    wait_for_hub(proxied)
    assert log_in(proxied).startswith("2.")
    assert main_process(proxied) == hub


def test_the_proxys_token_is_in_no_command_line_and_no_file_but_its_own(proxied: Container) -> None:
    token = proxied.shell("cat /var/lib/jupyterhub/proxy_token").strip()
    shown = proxied.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; cat /run/jupyterhub/proxy.json")
    assert "configurable-http-proxy" in shown
    logged = proxied.shell(f"{HUBCTL} logs --lines 5000")
    assert "[ConfigProxy]" in logged
    assert token not in shown + logged


def test_start_stop_and_status_know_both_services(proxied: Container) -> None:
    assert f"proxy: runs (process {main_process(proxied, PROXY)})" in proxied.shell(f"{HUBCTL} status")
    proxied.shell(f"{HUBCTL} stop")
    assert proxied.shell("pgrep -u root -fa '[/]opt/miniconda3' || true") == "", "but for users' servers"
    proxied.shell(f"{HUBCTL} start")
    assert proxied.shell(f"systemctl is-active {UNIT} {PROXY}") == "active\nactive\n"


def test_both_proxies_are_started_in_the_same_way_and_the_setting_changes_from_one_to_the_other(
    proxied: Container,
) -> None:
    show = "tr '\\0' ' ' </proc/$(cat /run/jupyterhub/proxy.pid)/cmdline"
    of_its_own = proxied.shell(show)
    proxied.shell("sed -i 's/^proxy_service: true/proxy_service: false/' /etc/jupyterhub/hub.yaml")
    proxied.shell(f"systemctl restart {UNIT}")
    wait_for_hub(proxied)
    assert proxied.shell(f"systemctl is-active {PROXY} || true") == "inactive\n"
    assert set(of_its_own.split()) - set(proxied.shell(show).split()) == {"--pid-file", "/run/jupyterhub/proxy.pid"}
    assert set(proxied.shell(show).split()) - set(of_its_own.split()) == set()
