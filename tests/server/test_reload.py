"""A new certificate for a hub that runs: real hub, real proxy, a user's websocket that stays open meanwhile."""

import os
import signal
import ssl
from collections.abc import Iterator

import pytest
from conftest import ServerRoot, self_signed
from hub_support import status

from tests.terminal import Terminal
from tests.waiting import is_running, wait_for


def shown(root: ServerRoot) -> str:
    """The certificate that a new connection gets, PEM."""
    return ssl.get_server_certificate(("127.0.0.1", root.port))


def put_new_pair(root: ServerRoot) -> None:
    folder = root.certificate.parent
    self_signed(folder)
    for file in folder.iterdir():
        os.chown(file, root.user.uid, root.user.gid)


@pytest.fixture(scope="module")
def hub(module_root: ServerRoot) -> ServerRoot:
    started = module_root.hubctl("start")
    assert started.returncode == 0, started.stderr
    return module_root


@pytest.fixture(scope="module")
def terminal(hub: ServerRoot) -> Iterator[Terminal]:
    """An open websocket of a user's."""
    opened = Terminal(hub.url, "alice", (hub.path / "var/lib/jupyterhub/shared_password").read_text().strip())
    yield opened
    opened.close()


def test_new_connections_get_the_new_certificate_and_open_ones_go_on(hub: ServerRoot, terminal: Terminal) -> None:
    assert terminal.double(21) == 42
    before = shown(hub)
    put_new_pair(hub)
    done = hub.hubctl("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"New connections get the certificate in {hub.certificate}")
    assert shown(hub) == hub.certificate.read_text() != before
    assert terminal.double(21) == 42


def test_a_key_of_another_certificate_is_refused_and_the_hub_goes_on(hub: ServerRoot, terminal: Terminal) -> None:
    before = shown(hub)
    certificate = hub.certificate.read_text()
    put_new_pair(hub)
    hub.certificate.write_text(certificate)
    done = hub.hubctl("reload")
    assert done.returncode == 1
    assert "are no pair (key values mismatch): the proxy goes on with the certificate that it had" in done.stderr
    kept = "proxycertificate: goes on with the certificate as before"
    wait_for("a line in the log", lambda: kept in hub.log.read_text())
    assert shown(hub) == before
    assert terminal.double(21) == 42


def test_half_a_file_is_refused_and_what_is_put_there_then_is_taken(hub: ServerRoot, terminal: Terminal) -> None:
    before = shown(hub)
    hub.certificate.write_text(before[:200])
    assert hub.hubctl("reload").returncode == 1
    assert shown(hub) == before
    put_new_pair(hub)
    assert hub.hubctl("reload").returncode == 0
    assert shown(hub) == hub.certificate.read_text() != before
    assert terminal.double(21) == 42


def test_a_proxy_of_an_older_release_is_left_alone(server_root: ServerRoot) -> None:
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-older.py").write_text("import os\nos.environ['NODE_OPTIONS'] = ''\n")
    assert server_root.hubctl("start").returncode == 0
    proxy = (server_root.path / "run/jupyterhub/proxy.pid").read_text()
    done = server_root.hubctl("reload")
    assert done.returncode == 1
    assert "of an older release" in done.stderr
    assert is_running(int(proxy))


def test_without_a_hub_there_is_nothing_to_reload(server_root: ServerRoot) -> None:
    done = server_root.hubctl("reload")
    assert done.returncode == 1
    assert done.stderr.startswith("hubctl: The hub's proxy does not run: `hubctl start`")


@pytest.mark.parametrize("command", [["reload"], ["cert", "self-signed"]], ids=" ".join)
def test_a_new_certificate_behind_a_dead_hub_is_not_said_to_be_shown_by_one_that_runs(
    server_root: ServerRoot, command: list[str]
) -> None:
    assert server_root.hubctl("start").returncode == 0
    hub = int(str(status(server_root)["hub_pid"]))
    os.kill(hub, signal.SIGKILL)
    wait_for("the hub's end", lambda: not is_running(hub))
    done = server_root.hubctl(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The hub that runs" not in done.stdout
    assert done.stdout.endswith("The proxy alone runs, the hub does not: `hubctl start` starts it.\n")
    assert shown(server_root) == server_root.certificate.read_text()
