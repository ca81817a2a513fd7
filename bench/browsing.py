"""What a person waits for in a browser, from the login to JupyterLab's launcher."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, sync_playwright

from bench.measure import Figure
from bench.spawning import stop
from forge.progress import say
from tests.e2e.browser import CHROMIUM_ARGUMENTS, patient
from tests.login import Session
from tests.realm_server import PASSWORD, RealmServer

ROUNDS = 7

CLOCK = "addEventListener('click', () => { sessionStorage.clicked = Date.now() }, true)"
"""Makes the pages remember when a click reached them: before that, the tool that clicks looks where the button is."""


@dataclass(frozen=True)
class Journey:
    """Seconds of each part, as a person sees them.

    Attributes:
        login: from the click on the login form's button to the spawn page.
        spawn: from the click on the spawn page's button to the moment when the browser goes to the server.
        lab: from there to a launcher that can be clicked.
    """

    login: float
    spawn: float
    lab: float


def measure(server: RealmServer, user: str) -> list[Figure]:
    """ROUNDS journeys, each with a browser that has never been there."""
    say("login to launcher in a browser")
    session = Session(server.address)
    session.log_in(user, PASSWORD)
    journeys = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
        for _ in range(ROUNDS):
            journeys.append(_journey(browser, server, user))
            stop(session, user)
        browser.close()

    def median(part: Callable[[Journey], float]) -> float:
        return statistics.median(part(journey) for journey in journeys)

    return [
        Figure("login click to the spawn page", median(lambda one: one.login), "s", 0.5),
        Figure("spawn click to the server's first page", median(lambda one: one.spawn), "s"),
        Figure("JupyterLab's loading, to a usable launcher", median(lambda one: one.lab), "s"),
        Figure("login to a usable launcher", median(lambda one: one.login + one.spawn + one.lab), "s"),
    ]


def _journey(browser: Browser, server: RealmServer, user: str) -> Journey:
    context = patient(browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800}))
    page = context.new_page()
    page.add_init_script(CLOCK)
    page.goto(server.address)
    page.fill("#username_input", user)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit", no_wait_after=True)
    page.locator("#spawn_form").wait_for()
    login = time.time() - _clicked(page)
    page.get_by_role("button", name="Start").click(no_wait_after=True)
    page.wait_for_url(f"**/user/{user}/lab**", wait_until="commit")
    arrived = time.time()
    clicked = _clicked(page)
    _wait_for_launcher(page)
    journey = Journey(login, arrived - clicked, time.time() - arrived)
    context.close()
    return journey


def _clicked(page: Page) -> float:
    """When the last click reached a page of the site, in seconds since 1970."""
    return float(page.evaluate("Number(sessionStorage.clicked)")) / 1000


def _wait_for_launcher(page: Page) -> None:
    """Until a card can be clicked: it is seen, at rest, and nothing lies over it. ``trial`` leaves the click out."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(trial=True)
