"""The login form, whoever checks the password: what no browser sends from it is refused and told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ServerRoot, make_server_root
from hubctl.processes import read_pid_file
from spawn_support import ROOT, Browser, Page, open_folder

MEGABYTES = 10


@pytest.fixture(scope="module", params=["shared-password", "pam", "kerberos"])
def root(request: pytest.FixtureRequest) -> Iterator[ServerRoot]:
    """A running hub. No server is started, so no Docker is needed: the hub asks for none on the host's network."""
    with open_folder() as folder:
        root = make_server_root(folder / "root", ROOT)
        kept = [line for line in root.settings.read_text().splitlines() if not line.startswith(("auth:", "spawner:"))]
        lines = [
            *kept,
            f"auth: {request.param}",
            "spawner: docker",
            "docker: {network: host}",
            "kerberos: {realm: HUBFORGE.TEST}",
            "",
        ]
        root.settings.write_text("\n".join(lines))
        started = root.hubctl("start")
        assert started.returncode == 0, started.stderr
        yield root
        print(root.read_log()[-6000:])
        root.hubctl("stop")


def memory(root: ServerRoot) -> float:
    """What the hub takes, in MiB."""
    hub = read_pid_file(root.path / "run/jupyterhub/hub.pid")
    assert hub
    status = Path(f"/proc/{hub.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def send(root: ServerRoot, fields: dict[str, str | bytes]) -> Page:
    """Sends the login form of a fresh browser with these fields and its token."""
    browser = Browser(root.port)
    token = browser.get("/hub/login").form().values["_xsrf"]
    return browser.post("/hub/login", {**fields, "_xsrf": token})


def test_ten_megabytes_of_a_name_are_refused_and_neither_logged_nor_shown_nor_kept(root: ServerRoot) -> None:
    name = "x" * MEGABYTES * 10**6
    send(root, {"username": name, "password": "secret"})  # whatever is loaded once is there now
    before, logged = memory(root), len(root.read_log())
    for _ in range(10):
        page = send(root, {"username": name, "password": "secret"})
        assert page.status == 400
        assert "That name or password is too long. Try again." in page.words
        assert len(page.text) < 50_000
    assert memory(root) - before < 5 * MEGABYTES, "what is kept would be ten of them"
    log = root.read_log()[logged:]
    assert f"Refused a login: {len(name)} bytes in a field of the form" in log
    assert len(log) < 10_000


def test_ten_megabytes_of_a_password_are_refused(root: ServerRoot) -> None:
    page = send(root, {"username": "alice", "password": "x" * MEGABYTES * 10**6})
    assert page.status == 400
    assert "That name or password is too long. Try again." in page.words


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({}, 400, "The form came without a name or a password. Try again."),
        ({"username": "alice"}, 400, "The form came without a name or a password. Try again."),
        ({"password": "secret"}, 400, "The form came without a name or a password. Try again."),
        ({"username": b"\xff", "password": "secret"}, 403, "Invalid username or password"),
        ({"username": "../../etc", "password": "secret"}, 403, "Invalid username or password"),
    ],
    ids=["empty", "no password", "no name", "no text", "a path"],
)
def test_a_forged_form_is_refused_with_a_sentence_and_the_form_again(
    root: ServerRoot, fields: dict[str, str | bytes], status: int, sentence: str
) -> None:
    page = send(root, fields)
    assert page.status == status
    assert sentence in page.words
    assert 'name="password"' in page.text
    assert "Traceback" not in root.read_log()


def test_a_form_without_the_hubs_token_is_told_to_try_again(root: ServerRoot) -> None:
    page = Browser(root.port).post("/hub/login", {"username": "alice", "password": "secret"})
    assert page.status == 403
    assert "Login form invalid or expired. Try again." in page.words
