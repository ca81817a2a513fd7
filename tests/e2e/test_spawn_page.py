"""The spawn page in a browser: with keys alone, without JavaScript, in the dark, and as a screen reader gets it."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.containers import base_image
from tests.e2e.browser import patient, wait_while_open
from tests.e2e.docker_hub import DockerHub, docker_hub
from tests.spawn_site import PREFIX, lay_out_site

SPARK = "hubforge-test-spark:browser"

SETTINGS = """\
docker:
  network: host
  images:
    - {{name: Small, image: '{small}', memory: 640m, description: For looking around, picture: /small.svg}}
    - {{name: Spark, image: '{spark}', memory: 4g}}
    - {{name: Gone, image: 'hubforge-test-gone:latest'}}
pyspark: {{driver_memory: [1g, 2g]}}
"""

PICTURE = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 2 2'><circle cx='1' cy='1' r='1' fill='teal'/></svg>"


@dataclass(frozen=True)
class Hub(DockerHub):
    """A running hub in which any password is right."""

    def context(self, browser: Browser, user: str, javascript: bool = True, dark: bool = False) -> BrowserContext:
        """A browser's window in which ``user`` has logged in, with keys alone."""
        scheme: Literal["dark", "light"] = "dark" if dark else "light"
        context = browser.new_context(ignore_https_errors=True, java_script_enabled=javascript, color_scheme=scheme)
        page = patient(context).new_page()
        page.goto(f"{self.address}/hub/login?next=/hub/spawn")
        page.locator("#username_input").focus()
        page.keyboard.type(user)
        page.keyboard.press("Tab")
        page.keyboard.type("any")
        page.keyboard.press("Enter")
        page.locator("#spawn_form").wait_for()
        page.wait_for_load_state()
        return context

    def go_on(self, user: str) -> None:
        """Lets the server of a user whose name begins with ``slow`` answer."""
        (self.home(user) / "go").touch()

    def container(self, user: str) -> dict[str, dict[str, object]]:
        """The user's one container, as `docker inspect` shows it."""
        shown = docker("ps", "--all", "--quiet", f"--filter=name=^/{PREFIX}-{user}$").split()
        assert len(shown) == 1
        return dict(json.loads(docker("inspect", *shown))[0])


def docker(*command: str) -> str:
    return subprocess.run(["docker", *command], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def hub(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    small = base_image("bookworm", ["python3-minimal"])
    container = docker("create", small, "true").strip()
    docker("commit", "--change=LABEL hubforge.jupyterhub=6 hubforge.pyspark=3.5 hubforge.java=17", container, SPARK)
    docker("rm", container)

    def prepare(root: Path) -> None:
        (root / "small.svg").write_text(PICTURE)
        lay_out_site(root)

    with docker_hub(prefix, SETTINGS.format(small=small, spark=SPARK), prepare) as running:
        try:
            yield Hub(**vars(running))
        finally:
            for left in docker("ps", "--all", "--quiet", f"--filter=name=^/{PREFIX}-").split():
                docker("rm", "--force", left)


def focused(page: Page, attribute: str) -> str:
    """An attribute of what the keyboard acts on."""
    return str(page.evaluate("name => document.activeElement.getAttribute(name)", attribute))


def tab_to(page: Page, attribute: str, value: str) -> None:
    """Presses Tab until the keyboard acts on what has this attribute."""
    for _ in range(20):
        if focused(page, attribute) == value:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {attribute}={value}")


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_a_server_is_chosen_and_started_with_the_keyboard_alone(hub: Hub, browser: Browser, key: str) -> None:
    user = f"kim{key.lower()}"
    page = hub.context(browser, user).pages[0]
    tab_to(page, "name", "image")
    assert focused(page, "value") == "Small"
    page.keyboard.press("ArrowDown")
    assert focused(page, "value") == "Spark"
    expect(page.get_by_role("radio", name="Spark")).to_be_checked()
    page.keyboard.press("ArrowDown")
    assert focused(page, "value") == "Small", "the arrows pass over what is not available"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    assert focused(page, "value") == "1g"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert focused(page, "type") == "submit"
    page.keyboard.press(key)
    page.wait_for_url(f"**/user/{user}/")
    page.goto(f"{hub.address}/user/{user}/env")
    expect(page.locator("body")).to_contain_text("'SPARK_DRIVER_MEMORY': '2048m'")
    assert hub.container(user)["Config"]["Image"] == SPARK


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_the_progress_page_says_what_is_happening_and_goes_on_by_itself(
    hub: Hub, browser: Browser, javascript: bool
) -> None:
    user = f"slow{javascript}".lower()
    page = hub.context(browser, user, javascript).pages[0]
    expect(page.get_by_text("JupyterHub requires JavaScript")).to_be_hidden()
    page.locator(".hf-card", has_text="4 GB").click()  # all of the card can be clicked
    expect(page.get_by_role("radio", name="Spark")).to_be_checked()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Your server is starting up.")).to_be_visible()
    expect(page.get_by_text("JupyterHub requires JavaScript")).to_be_hidden()
    if javascript:
        expect(page.get_by_role("status")).to_have_text("Starting Jupyter in it")
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "70")
    else:
        # Chromium that is told by its protocol to run no scripts does not show what `noscript` holds: it is read
        step = "<p>Starting Jupyter in it …</p>"
        wait_while_open(page, step, lambda: step in page.request.get(page.url).text())
    hub.go_on(user)
    page.wait_for_url(f"**/user/{user}/")
    expect(page.locator("body")).to_have_text(user)


def test_a_screen_reader_gets_names_groups_and_descriptions(hub: Hub, browser: Browser) -> None:
    page = hub.context(browser, "sera").pages[0]
    expect(page.locator("#spawn_form")).to_match_aria_snapshot("""
        - form:
          - group "Image":
            - text: Image
            - radio "Small" [checked]
            - text: Small
            - paragraph: For looking around
            - paragraph:
              - text: /640 MB memory, 2 processors Image of \\d+.*MB, built on/
              - time
            - radio "Spark"
            - text: Spark
            - paragraph:
              - text: /4 GB memory, 2 processors Image of/
              - time
            - radio "Gone" [disabled]
            - text: Gone
            - paragraph:
              - strong: "Not available:"
              - text: this image is not on the server at the moment.
          - group "Spark driver memory":
            - text: Spark driver memory
            - paragraph: /For Spark sessions of Python notebooks/
            - radio "1g" [checked]
            - text: 1g
            - radio "2g"
            - text: 2g
          - button "Start"
    """)
    small = page.get_by_role("radio", name="Small")
    expect(small).to_have_accessible_description(re.compile("For looking around 640 MB memory, 2 processors"))
    gone = page.get_by_role("radio", name="Gone")
    expect(gone).to_have_accessible_description("Not available: this image is not on the server at the moment.")


def test_the_page_follows_the_dark_mode_and_its_switch(hub: Hub, browser: Browser) -> None:
    page = hub.context(browser, "dana", dark=True).pages[0]

    def colours() -> list[str]:
        script = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
        return list(page.locator(".hf-card").first.evaluate(script))

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    dark = colours()
    page.get_by_role("button", name="Toggle dark mode").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    light = colours()
    assert [brightness(colour) < 0.5 for colour in [*dark, *light]] == [True, False, False, True]


def brightness(colour: str) -> float:
    """Between black and white; of ``rgb(1, 2, 3)``."""
    return sum(float(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]) / 3 / 255


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_double_click_starts_one_server(hub: Hub, browser: Browser, javascript: bool) -> None:
    user = f"dora{javascript}".lower()
    page = hub.context(browser, user, javascript).pages[0]
    page.get_by_role("button", name="Start").dblclick(no_wait_after=True)
    page.wait_for_url(f"**/user/{user}/")
    expect(page.locator("body")).to_have_text(user)
    assert hub.container(user)["State"]["Running"]


def test_two_tabs_with_two_images_land_in_one_server(hub: Hub, browser: Browser) -> None:
    context = hub.context(browser, "tom")
    first, second = context.pages[0], context.new_page()
    second.goto(f"{hub.address}/hub/spawn")
    first.get_by_role("radio", name="Small").check()
    second.get_by_role("radio", name="Spark").check()
    first.get_by_role("button", name="Start").click(no_wait_after=True)
    second.get_by_role("button", name="Start").click(no_wait_after=True)
    for page in (first, second):
        page.wait_for_url("**/user/tom/")
        expect(page.locator("body")).to_have_text("tom")
    assert hub.container("tom")["State"]["Running"]


def test_a_server_that_died_says_why_without_a_click(hub: Hub, browser: Browser) -> None:
    page = hub.context(browser, "rosa", javascript=False).pages[0]
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/rosa/")
    page.goto(f"{hub.address}/user/rosa/exit")
    expect(page.get_by_role("heading", name="Your server does not answer")).to_be_visible()
    expect(page.get_by_text("It ended with an error. (exit code 3)")).to_be_visible()
    page.get_by_text("The last lines of its log").click()
    expect(page.get_by_text("the end is near")).to_be_visible()
    page.get_by_role("button", name="Launch Server").click()
    page.wait_for_url("**/hub/spawn/rosa**")
