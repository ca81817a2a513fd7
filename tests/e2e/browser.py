"""A browser, and what is done in JupyterLab with it."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, TimeoutError, expect, sync_playwright

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # the tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 180.0
"""Seconds for whatever is waited for: Playwright's own five are too few beside another suite on two processors."""

expect.set_options(timeout=1000 * PATIENCE)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A fresh browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Page:
    """A page of a fresh browser."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800})
    return patient(context).new_page()


def patient(context: BrowserContext) -> BrowserContext:
    """Makes its pages wait for ``PATIENCE``, too."""
    context.set_default_timeout(1000 * PATIENCE)
    context.on("response", say_refusal)
    return context


def say_refusal(response: Response) -> None:
    """Prints what a page was refused for: pytest shows it beside a test that then waited for something else."""
    if response.status >= 400:
        print(f"the browser got {response.status} of {response.url}")


def wait_while_open(page: Page, what: str, condition: Callable[[], bool]) -> None:
    """Waits for something outside of the page, which goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not in {PATIENCE:g} s: {what}"
        page.wait_for_timeout(200)


def wait_for_script(page: Page) -> None:
    """Waits until the script of one of the hub's pages has come, which is what makes a button without an address work.

    It says so itself, for JupyterHub's own tests. RequireJS gives up what takes more than seven seconds, and then the
    button stays dead: the page is loaded again, as people do.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            page.wait_for_function("window._jupyterhub_page_loaded", timeout=1000 * PATIENCE / 6)
            return
        except TimeoutError:
            assert time.monotonic() < deadline, f"not in {PATIENCE:g} s: the script of {page.url}"
            page.reload()


def run_cell(page: Page, source: str) -> str:
    """Runs ``source`` in the last cell of the open notebook; gives what it printed."""
    # The status bar says so only when the kernel takes input; the toolbar's sign turns green too early.
    idle = page.locator("#jp-main-statusbar").get_by_text("| Idle")
    expect(idle).to_be_visible()
    cells = page.locator(".jp-NotebookPanel .jp-CodeCell")
    cell = cells.nth(cells.count() - 1)
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")
    # The prompt shows a star while the cell runs, and a number when it has ended.
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"))
    return cell.locator(".jp-OutputArea").inner_text()


def in_a_terminal(page: Page, command: str) -> None:
    """Types ``command`` into a new terminal; what it does comes later."""
    page.locator(".lm-TabBar-addButton:visible").first.click()
    page.locator(".jp-LauncherCard[data-category=Other]").get_by_text("Terminal").click()
    page.locator(".jp-Terminal .xterm").click()
    page.keyboard.type(f"{command}\n")
