"""The hub's own pages in a browser: stop and start from the Control Panel, the admin page, "Shutdown Hub"."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import wait_for_script, wait_while_open
from tests.e2e.scratch_hub import ScratchHub, scratch_hub
from tests.waiting import is_running


@pytest.fixture(scope="module")
def hub() -> Iterator[ScratchHub]:
    with scratch_hub("admin_users: [grace]\n") as running:
        yield running


def test_a_user_stops_and_starts_the_server_from_the_control_panel(hub: ScratchHub, page: Page) -> None:
    hub.log_in(page, "ada", hub.password())
    page.get_by_role("button", name="Start My Server").click()
    page.wait_for_url("**/user/ada/lab**")
    # JupyterLab's own way there; it opens a page of its own
    page.get_by_role("menuitem", name="File").click()
    with page.context.expect_page() as opened:
        page.get_by_text("Hub Control Panel").click()
    panel = opened.value
    panel.wait_for_url("**/hub/home")
    wait_for_script(panel)
    panel.get_by_role("button", name="Stop My Server").click()
    expect(panel.get_by_role("button", name="Stop My Server")).to_be_hidden()
    panel.get_by_role("button", name="Start My Server").click()
    panel.wait_for_url("**/user/ada/lab**")
    # who is no administrator finds no way to the admin page, and is told what to do there
    panel.goto(f"{hub.address}/hub/home")
    expect(panel.get_by_role("link", name="Admin")).to_have_count(0)
    answer = panel.goto(f"{hub.address}/hub/admin")
    assert answer
    assert answer.status == 403
    expect(panel.locator("#what-to-do")).to_contain_text("ask the administrator")


def test_an_administrator_stops_a_users_server_and_shuts_the_hub_down(hub: ScratchHub, page: Page) -> None:
    hub.log_in(page, "grace", hub.password("shared_admin_password"))
    page.get_by_role("link", name="Admin").click()
    row = page.locator("tr.user-row", has_text="ada")
    row.get_by_role("button", name="Stop Server").click()
    expect(row.get_by_role("button", name="Start Server")).to_be_visible()
    assert hub.hubctl("status") == 0
    process = hub.process
    page.get_by_role("button", name="Shutdown Hub").click()
    # it stops answering before that, and would be said to run already
    wait_while_open(page, "the hub's end", lambda: not is_running(process))
    assert hub.hubctl("status") != 0
    assert hub.hubctl("start") == 0
    # the login is known to the next hub
    page.goto(f"{hub.address}/hub/home")
    expect(page.get_by_role("link", name="Admin")).to_be_visible()
