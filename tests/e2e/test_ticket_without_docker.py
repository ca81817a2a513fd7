"""`spawner: local` with `auth: kerberos` in a browser: the user's own ticket in kernels and terminals of the host."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import in_a_terminal, patient, run_cell, wait_while_open
from tests.realm_server import LOCAL_HUB_YAML, PASSWORD, REALM, SERVICE, UID, USER, RealmServer, realm_server

KLIST = "import os, subprocess; print(os.getpid(), subprocess.getoutput('klist'))"


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[RealmServer]:
    with realm_server(installer, settings=LOCAL_HUB_YAML) as running:
        yield running


def log_in(page: Page) -> None:
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")


def test_kernel_and_terminal_have_the_users_ticket_and_see_that_of_a_new_login(
    server: RealmServer, browser: Browser, page: Page
) -> None:
    page.goto(server.address)
    log_in(page)
    page.wait_for_url(f"**/user/{USER}/lab**")
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    said = run_cell(page, KLIST)
    kernel = int(said.split()[0])
    assert Path(f"/proc/{kernel}").stat().st_uid == UID, "it runs as the user"
    assert f"Ticket cache: FILE:{server.ticket}" in said
    assert f"Default principal: {USER}@{REALM}" in said

    home = server.folder / "home" / USER
    command = f"klist > before 2>&1; kvno HTTP/{SERVICE} > service 2>&1; kdestroy; klist > after 2>&1; touch done"
    in_a_terminal(page, command)
    wait_while_open(page, "the end of what the terminal runs", (home / "done").exists)
    assert f"Default principal: {USER}@{REALM}" in (home / "before").read_text()
    assert f"HTTP/{SERVICE}@{REALM}: kvno" in (home / "service").read_text()
    assert "No credentials cache found" in (home / "after").read_text()

    elsewhere = patient(browser.new_context(ignore_https_errors=True)).new_page()
    elsewhere.goto(f"{server.address}/hub/login?next=/hub/home")
    log_in(elsewhere)
    expect(elsewhere.get_by_role("button", name="Stop My Server")).to_be_visible()
    page.get_by_role("tab", name="Untitled.ipynb").click()
    said = run_cell(page, KLIST)
    assert int(said.split()[0]) == kernel, "the same kernel goes on"
    assert f"krbtgt/{REALM}@{REALM}" in said
    assert PASSWORD not in server.log()
