"""A browser on a desktop whose user has a ticket: the hub lets it in without a form, and gets the ticket passed on."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.browser import CHROMIUM_ARGUMENTS, patient
from tests.realm_server import LOCAL_HUB_YAML, PASSWORD, REALM, SERVICE, UID, USER, RealmServer, realm_server
from tests.waiting import wait_for

HUB_YAML = LOCAL_HUB_YAML + "kerberos: {{http_keytab: /etc/jupyterhub/http.keytab}}\n"

TRUSTED = {"AuthServerAllowlist": "localhost", "AuthNegotiateDelegateAllowlist": "localhost"}
"""An administrator's policies for desktops."""

WITH_POLICIES = """\
#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$0" /etc/chromium && exec /usr/bin/chromium "$@"' {folder} "$@"
"""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[RealmServer]:
    """With the site's key, as its name is in the browser."""
    with realm_server(installer, settings=HUB_YAML, site="localhost") as running:
        yield running


@pytest.fixture
def desktop(server: RealmServer, tmp_path: Path) -> dict[str, str]:
    """The environment of programs on a desktop whose user has logged in to the realm."""
    environment = server.kerberos | {"KRB5CCNAME": f"FILE:{tmp_path}/desktop"}
    kinit = ["/usr/bin/kinit", "-f", "-r", "7d", f"{USER}@{REALM}"]
    subprocess.run(kinit, env=environment, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    return environment


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Open]:
    """Starts Chromium with policies and an environment; a page in it.

    It has a profile: in private windows, which all other contexts of Playwright are, Chromium proves nobody's identity
    unasked (its policy AmbientAuthenticationInPrivateModesEnabled). And the profile is not a new one: the first time
    ever that Chromium on Linux is asked for a token, it shows the page, and takes its network process out of the
    sandbox, in which the system's Kerberos library does not work.
    """
    profile, managed, program = tmp_path / "profile", tmp_path / "policies/managed", tmp_path / "chromium"
    profile.mkdir()
    (profile / "Local State").write_text('{"net": {"received_http_auth_negotiate_headers": true}}')
    managed.mkdir(parents=True)
    program.write_text(WITH_POLICIES.format(folder=tmp_path))
    program.chmod(0o755)
    with sync_playwright() as playwright, ExitStack() as opened:

        def start(policies: dict[str, str], **environment: str | float | bool) -> Page:
            (managed / "test.json").write_text(json.dumps(policies))
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=program, args=CHROMIUM_ARGUMENTS, env=environment, ignore_https_errors=True
            )
            opened.callback(context.close)
            return patient(context).pages[0]

        yield start


@pytest.fixture(autouse=True)
def no_ticket_of_before(server: RealmServer) -> None:
    server.ticket.unlink(missing_ok=True)


def kerberos(server: RealmServer, *command: str) -> str:
    """What a Kerberos program says of the user's ticket."""
    environment = server.kerberos | {"KRB5CCNAME": f"FILE:{server.ticket}"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_desktop_user_is_let_in_without_a_form_and_brings_the_ticket(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser(TRUSTED, **desktop)
    seen: list[str] = []
    page.on("domcontentloaded", lambda loaded: seen.append(loaded.url))
    page.goto(f"{server.address}/hub/home")
    expect(page.get_by_text(USER)).to_be_visible()
    assert seen == [f"{server.address}/hub/home"]  # no page in between, so no form either

    status = server.ticket.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o600, UID)
    shown = kerberos(server, "klist", "-f")
    assert f"Default principal: {USER}@{REALM}" in shown
    assert f"krbtgt/{REALM}@{REALM}" in shown
    assert "Flags: Ff" in shown  # forwardable, forwarded
    assert f"HTTP/{SERVICE}@{REALM}: kvno" in kerberos(server, "kvno", f"HTTP/{SERVICE}")
    wait_for("the ticket's line", lambda: f"Ticket for {USER}@{REALM} until" in server.log())


def test_after_a_logout_the_form_comes_not_the_next_login(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser(TRUSTED, **desktop)
    page.goto(f"{server.address}/hub/home")
    page.get_by_role("button", name="Logout").click()
    expect(page.locator("#password_input")).to_be_visible()


def test_a_browser_that_may_not_pass_the_ticket_on_is_let_in_without_one(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser({"AuthServerAllowlist": "localhost"}, **desktop)
    page.goto(f"{server.address}/hub/home")
    expect(page.get_by_text(USER)).to_be_visible()
    assert not server.ticket.exists()
    wait_for("the log's line", lambda: f"The browser of {USER} passed on no ticket" in server.log())


@pytest.mark.parametrize("trusted", [True, False], ids=["without a ticket", "with one, but without trust"])
def test_any_other_browser_shows_the_form(
    server: RealmServer, desktop: dict[str, str], open_browser: Open, tmp_path: Path, trusted: bool
) -> None:
    if trusted:
        desktop["KRB5CCNAME"] = f"FILE:{tmp_path}/none"
    page = open_browser(TRUSTED if trusted else {}, **desktop)
    page.goto(f"{server.address}/hub/home")
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    expect(page.get_by_text(USER)).to_be_visible()
    assert page.url == f"{server.address}/hub/home"
    assert server.ticket.exists()


def test_the_doctor_finds_nothing_wrong(server: RealmServer) -> None:
    said = server.hubctl("doctor")
    assert f"ok       realm: {REALM}" in said
    assert "and the KDC takes its key" in said
    assert f"HTTP/localhost@{REALM}" in said
    assert f"the KDC of {REALM} answers" in said
