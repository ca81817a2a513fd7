"""A new certificate for a hub that runs: real hub, real proxy, a user's websocket that stays open meanwhile."""

import json
import os
import ssl
import urllib.request
from collections.abc import Iterator

import pytest
import websocket
from conftest import ServerRoot, self_signed

from tests.login import Session
from tests.waiting import wait_for


def shown(root: ServerRoot) -> str:
    """The certificate that a new connection gets, PEM."""
    return ssl.get_server_certificate(("127.0.0.1", root.port))


def put_new_pair(root: ServerRoot) -> None:
    folder = root.certificate.parent
    self_signed(folder)
    for file in folder.iterdir():
        os.chown(file, root.user.uid, root.user.gid)


def answers(terminal: websocket.WebSocket) -> bool:
    """Whether what is typed into the terminal is computed."""
    terminal.send(json.dumps(["stdin", "echo $((6*7))-\n"]))
    said = ""
    while "42-" not in said:
        kind, *content = json.loads(terminal.recv())
        said += "".join(map(str, content)) if kind == "stdout" else ""
    return True


@pytest.fixture(scope="module")
def hub(module_root: ServerRoot) -> ServerRoot:
    started = module_root.hubctl("start")
    assert started.returncode == 0, started.stderr
    return module_root


@pytest.fixture(scope="module")
def terminal(hub: ServerRoot) -> Iterator[websocket.WebSocket]:
    """An open websocket of a user's."""
    session = Session(hub.url)
    session.log_in("alice", (hub.path / "var/lib/jupyterhub/shared_password").read_text().strip())
    session.start_server("alice")
    session.get("/user/alice/lab")  # the server's own cookie comes with its first page
    cookies = {cookie.name: cookie.value for cookie in session.cookies if cookie.path in ("/", "/user/alice/")}
    request = urllib.request.Request(f"{hub.url}/user/alice/api/terminals", b"{}")
    request.add_header("X-XSRFToken", cookies["_xsrf"] or "")
    with session._open(request, timeout=60) as answer:
        name = json.load(answer)["name"]
    socket = websocket.create_connection(
        f"wss://localhost:{hub.port}/user/alice/terminals/websocket/{name}",
        sslopt={"ca_certs": str(hub.certificate)},
        header={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        timeout=120,
    )
    yield socket
    socket.close()


def test_new_connections_get_the_new_certificate_and_open_ones_go_on(
    hub: ServerRoot, terminal: websocket.WebSocket
) -> None:
    assert answers(terminal)
    before = shown(hub)
    put_new_pair(hub)
    done = hub.hubctl("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"New connections get the certificate in {hub.certificate}")
    assert shown(hub) == hub.certificate.read_text() != before
    assert answers(terminal)


def test_a_key_of_another_certificate_is_refused_and_the_hub_goes_on(
    hub: ServerRoot, terminal: websocket.WebSocket
) -> None:
    before = shown(hub)
    certificate = hub.certificate.read_text()
    put_new_pair(hub)
    hub.certificate.write_text(certificate)
    done = hub.hubctl("reload")
    assert done.returncode == 1
    assert "are no pair (key values mismatch): the proxy goes on with the certificate that it had" in done.stderr
    wait_for("a line in the log", lambda: "proxycertificate: goes on with the certificate as before" in hub.log.read_text())
    assert shown(hub) == before
    assert answers(terminal)


def test_half_a_file_is_refused_and_what_is_put_there_then_is_taken(
    hub: ServerRoot, terminal: websocket.WebSocket
) -> None:
    before = shown(hub)
    hub.certificate.write_text(before[:200])
    assert hub.hubctl("reload").returncode == 1
    assert shown(hub) == before
    put_new_pair(hub)
    assert hub.hubctl("reload").returncode == 0
    assert shown(hub) == hub.certificate.read_text() != before
    assert answers(terminal)


def test_without_a_hub_there_is_nothing_to_reload(server_root: ServerRoot) -> None:
    done = server_root.hubctl("reload")
    assert done.returncode == 1
    assert done.stderr.startswith("hubctl: The hub's proxy does not run: `hubctl start`")
