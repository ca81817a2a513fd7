"""The hub of `make hub` in a browser: log in, JupyterLab opens, a cell computes."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import run_cell
from tests.e2e.scratch_hub import ScratchHub, scratch_hub


@pytest.fixture(scope="module")
def hub() -> Iterator[ScratchHub]:
    with scratch_hub() as running:
        yield running


def test_a_user_logs_in_and_a_cell_computes(hub: ScratchHub, page: Page) -> None:
    page.goto(hub.address)
    page.fill("#username_input", "ada")
    page.fill("#password_input", "not the password")
    page.click("#login_submit")
    expect(page.locator(".login_error")).to_contain_text("Invalid username or password")

    page.fill("#username_input", "ada")
    page.fill("#password_input", hub.password())
    page.click("#login_submit")
    page.wait_for_url("**/user/ada/lab**")

    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    assert "42 (3, 13)" in run_cell(page, "import sys; print(6 * 7, sys.version_info[:2])")

    # as in the users' image: nothing asks what a network without internet can't answer
    told = json.loads(page.locator("#jupyter-config-data").text_content() or "")
    assert "@jupyterlab/apputils-extension:announcements" in told["disabledExtensions"]
    expect(page.get_by_text("official Jupyter news")).to_have_count(0)
