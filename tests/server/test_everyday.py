"""What users and administrators expect of every hub: idle servers end, further servers, the admin page, its buttons."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from account_support import make_account_root
from spawn_support import Browser, Hub, Page, docker_settings, open_folder, running_hub

from tests.waiting import wait_for

pytest_plugins = ["docker_support"]

LOCAL = "auth: pam\nspawner: local\nadmin_users: [eve]\n"
REAL = f"c.LocalProcessSpawner.cmd = [{sys.executable!r}, '-m', 'jupyterhub.singleuser']\n"
"""Real Jupyter servers, not the small program that plays one."""


@contextlib.contextmanager
def local_hub(engine: docker.APIClient, settings: str = "", python: str = "") -> Iterator[Hub]:
    with (
        open_folder() as folder,
        running_hub(folder / "root", engine, LOCAL + settings, python, make_account_root) as hub,
    ):
        yield hub


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def api(browser: Browser, method: str, path: str, body: str | None = None) -> Page:
    """A request as JupyterHub's own pages make it."""
    url = f"/hub/api{path}?_xsrf={browser.cookies['/hub/', '_xsrf']}"
    return browser.request(method, url, body, {"Content-Type": "application/json", "Referer": "/hub/admin"})


def test_a_server_that_nobody_uses_is_ended_and_one_in_use_stays(engine: docker.APIClient) -> None:
    """The shipped timeout is hours: here it is a minute, in which bob is heard of on a busy machine, too."""
    sooner = (
        "(culler,) = (service for service in c.JupyterHub.services if service['name'] == 'idle-culler')\n"
        "culler['command'][-1:] = ['--timeout=60', '--cull-every=2']\n"
        "c.JupyterHub.last_activity_interval = 2\n"
    )
    with local_hub(engine, python=REAL + sooner) as hub:
        alice, bob = hub.browser("alice"), hub.browser("bob")
        for name, browser in (("alice", alice), ("bob", bob)):
            browser.spawn()
            browser.wait(f"/user/{name}/lab", lambda page: "JupyterLab" in page.text)  # logs in to the server, too

        def is_culled_while_bob_works() -> bool:
            assert bob.get("/user/bob/api/status").status == 200
            return "Culling server alice" in hub.log

        wait_for("the end of alice's server", is_culled_while_bob_works, 600, lambda: hub.log[-2000:])
        alice.wait("/hub/home", lambda page: "Start My Server" in page.words)
        assert "Culling server bob" not in hub.log


def test_a_user_has_as_many_further_servers_as_the_settings_say(engine: docker.APIClient) -> None:
    with local_hub(engine, "named_servers: 1\n") as hub:
        alice = hub.browser("alice")
        for name in ("", "second"):
            alice.spawn(f"/alice/{name}" if name else "")
            alice.wait(f"/user/alice/{name}/api" if name else "/user/alice/api", lambda page: page.text == "alice")
        refused = alice.get("/hub/spawn/alice/third")
        assert refused.status == 400
        assert "already has the maximum of 1 named servers" in refused.words


def test_without_the_setting_there_are_no_further_servers(engine: docker.APIClient) -> None:
    with local_hub(engine) as hub:
        page = hub.browser("alice").get("/hub/spawn/alice/second")
        assert page.status == 400
        assert "Named servers are not enabled" in page.words


def test_the_admin_page_is_for_administrators(engine: docker.APIClient) -> None:
    with local_hub(engine) as hub:
        alice, eve = hub.browser("alice"), hub.browser("eve")
        assert "/hub/admin" not in alice.get("/hub/home").text
        refused = alice.get("/hub/admin")
        assert refused.status == 403
        assert "ask the administrator" in refused.words
        for method, path in (("GET", "/users"), ("POST", "/shutdown"), ("POST", "/users/eve/server")):
            assert api(alice, method, path).status in (403, 404), path
        alice.spawn()
        alice.wait("/user/alice/api", lambda page: page.text == "alice")
        assert "/hub/admin" in eve.get("/hub/home").text
        assert eve.get("/hub/admin").status == 200
        assert '"name": "alice"' in api(eve, "GET", "/users").text
        assert api(eve, "DELETE", "/users/alice/server").status in (202, 204)
        alice.wait("/hub/home", lambda page: "Start My Server" in page.words)


def test_shutdown_hub_ends_the_hub_and_its_proxy_and_the_next_start_finds_the_containers(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    settings = docker_settings("host", "admin_users: [eve]\n")
    with running_hub(folder / "root", engine, settings) as hub:
        hub.root.hubctl("stop")
        with foreground(hub) as process:
            alice, eve = hub.browser("alice"), hub.browser("eve")
            alice.spawn()
            alice.wait("/user/alice/api", lambda page: page.text == "alice")
            before = hub.container("alice")["State"]["StartedAt"]
            eve.get("/hub/admin")
            assert api(eve, "POST", "/shutdown").status == 202
            # with another one, systemd would start it again (Restart=on-failure)
            assert process.wait(300) == 0
        with pytest.raises(ConnectionError):
            alice.get("/hub/home")
        assert hub.container("alice")["State"]["Running"]
        hub.start()
        alice.wait("/user/alice/api", lambda page: page.text == "alice")
        assert hub.container("alice")["State"]["StartedAt"] == before


@contextlib.contextmanager
def foreground(hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    """The hub as systemd has it: a process that is waited for."""
    command = [sys.executable, "-m", "hubctl", "--root", str(hub.root.path), "start", "--foreground"]
    with (
        (hub.root.path / "foreground.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            said = (hub.root.path / "foreground.log").read_text
            wait_for("a hub that answers", lambda: hub.root.hubctl("status").returncode == 0, more=said)
            yield process
        finally:
            process.terminate()
