"""A browser on a desktop whose user has a ticket: the hub lets it in without a form, and gets the ticket passed on."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.browser import CHROMIUM_ARGUMENTS, SECONDS
from tests.realm_server import PASSWORD, REALM, SERVICE, USER, RealmServer, realm_server

HUB_YAML = """\
auth: kerberos
spawner: local
bind: 127.0.0.1
port: {port}
internal_ports: {{hub: {hub}, proxy_api: {proxy}}}
kerberos: {{http_keytab: /etc/jupyterhub/http.keytab}}
"""

TRUSTED = ("--auth-server-allowlist=localhost", "--auth-negotiate-delegate-allowlist=localhost")
"""As an administrator's policies AuthServerAllowlist and AuthNegotiateDelegateAllowlist."""

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
def open_browser() -> Iterator[Open]:
    """Starts Chromium with options and an environment; a page in it."""
    with sync_playwright() as playwright:

        def start(*options: str, **environment: str | float | bool) -> Page:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=[*CHROMIUM_ARGUMENTS, *options], env=environment
            )
            return browser.new_context(ignore_https_errors=True).new_page()

        yield start


@pytest.fixture(autouse=True)
def no_ticket_of_before(server: RealmServer) -> None:
    ticket(server).unlink(missing_ok=True)


def ticket(server: RealmServer) -> Path:
    return server.root / "run/jupyterhub/tickets" / USER / "krb5cc"


def kerberos(server: RealmServer, *command: str) -> str:
    """What a Kerberos program says of the user's ticket."""
    environment = server.kerberos | {"KRB5CCNAME": f"FILE:{ticket(server)}"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_desktop_user_is_let_in_without_a_form_and_brings_the_ticket(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser(*TRUSTED, **desktop)
    seen: list[str] = []
    page.on("domcontentloaded", lambda loaded: seen.append(loaded.url))
    page.goto(f"{server.address}/hub/home")
    expect(page.get_by_text(USER)).to_be_visible(timeout=60 * SECONDS)
    assert seen == [f"{server.address}/hub/home"]  # no page in between, so no form either

    status = ticket(server).stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o600, server.uid)
    shown = kerberos(server, "klist", "-f")
    assert f"Default principal: {USER}@{REALM}" in shown
    assert f"krbtgt/{REALM}@{REALM}" in shown
    assert "Flags: Ff" in shown  # forwardable, forwarded
    assert f"HTTP/{SERVICE}@{REALM}: kvno" in kerberos(server, "kvno", f"HTTP/{SERVICE}")
    assert f"Ticket for {USER}@{REALM} until" in server.log()


def test_after_a_logout_the_form_comes_not_the_next_login(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser(*TRUSTED, **desktop)
    page.goto(f"{server.address}/hub/home")
    page.get_by_role("link", name="Logout").or_(page.get_by_text("Logout")).first.click()
    expect(page.locator("#password_input")).to_be_visible(timeout=60 * SECONDS)


def test_a_browser_that_may_not_pass_the_ticket_on_is_let_in_without_one(
    server: RealmServer, desktop: dict[str, str], open_browser: Open
) -> None:
    page = open_browser(TRUSTED[0], **desktop)
    page.goto(f"{server.address}/hub/home")
    expect(page.get_by_text(USER)).to_be_visible(timeout=60 * SECONDS)
    assert not ticket(server).exists()
    assert f"The browser of {USER} passed on no ticket" in server.log()


@pytest.mark.parametrize("trusted", [True, False], ids=["without a ticket", "with one, but without trust"])
def test_any_other_browser_shows_the_form(
    server: RealmServer, desktop: dict[str, str], open_browser: Open, tmp_path: Path, trusted: bool
) -> None:
    if trusted:
        desktop["KRB5CCNAME"] = f"FILE:{tmp_path}/none"
    page = open_browser(*(TRUSTED if trusted else ()), **desktop)
    page.goto(f"{server.address}/hub/home")
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    expect(page.get_by_text(USER)).to_be_visible(timeout=60 * SECONDS)
    assert page.url == f"{server.address}/hub/home"
    assert ticket(server).exists()


def test_the_doctor_finds_nothing_wrong(server: RealmServer) -> None:
    said = server.hubctl("doctor")
    assert f"ok       realm: {REALM}" in said
    assert "and the KDC takes its key" in said
    assert f"HTTP/localhost@{REALM}" in said
    assert f"the KDC of {REALM} answers" in said
