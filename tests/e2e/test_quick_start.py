"""The quick start in a browser: log in, choose an image, see it start, compute, find the control panel.

`make pictures` keeps what is on the pages in docs/pictures/; else they are only looked at.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import run_cell
from tests.e2e.docker_hub import DockerHub, docker_hub
from tests.realm_server import remove_containers

USER = "ada"

SETTINGS = """\
docker:
  images:
    - {name: Analysis, image: hubforge/notebook, description: 'Python, pandas, PySpark'}
    - {name: Large, image: hubforge/notebook, description: The same with more memory, memory: 8g, cpu: 4}
pyspark: {driver_memory: [1g, 2g]}
"""

# A server answers when the test has seen the page before that: on a fast machine nobody would.
PATIENCE = """\
wait = 'while [ ! -e ~/.go ]; do sleep 0.1; done; exec jupyterhub-singleuser "$@"'
c.DockerSpawner.cmd = ["sh", "-c", wait, "sh"]
"""

LARGEST = 120 * 1024
"""Bytes of a picture that is to lie in the repository."""

Keep = Callable[[str, int], None]
"""The picture's name, and how much of the page is to be in it: pixels from its top."""


@pytest.fixture
def hub(prefix: Path, notebook_image: str) -> Iterator[DockerHub]:
    def prepare(root: Path) -> None:
        (root / "etc/jupyterhub/jupyterhub_config.d/10-test.py").write_text(PATIENCE)

    with docker_hub(prefix, SETTINGS, prepare) as running:
        try:
            yield running
        finally:
            remove_containers([USER])


@pytest.fixture
def keep(request: pytest.FixtureRequest, page: Page) -> Keep:
    """Takes a picture of the page, and keeps it where `--pictures` says."""
    folder = request.config.getoption("--pictures")

    def take(name: str, height: int) -> None:
        page.set_viewport_size({"width": 1024, "height": height})
        picture = page.screenshot(animations="disabled", caret="hide")
        assert len(picture) < LARGEST, name
        if folder:
            Path(folder, f"{name}.png").write_bytes(picture)

    return take


def test_from_the_login_to_the_first_notebook_as_the_quick_start_tells_it(
    hub: DockerHub, page: Page, keep: Keep
) -> None:
    page.goto(hub.address)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.fill("#username_input", USER)
    page.fill("#password_input", hub.password)
    keep("login", 360)
    page.click("#login_submit")

    expect(page.get_by_role("radio", name="Analysis")).to_be_checked()
    expect(page.get_by_role("radio", name="Large")).to_be_enabled()
    expect(page.get_by_text("4 GB memory, 2 processors")).to_be_visible()
    keep("spawn", 590)
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_text("Your server is starting up.")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Starting Jupyter in it")
    keep("progress", 270)
    (hub.home(USER) / ".go").touch()
    page.wait_for_url(f"**/user/{USER}/lab**")

    notebooks = page.locator(".jp-LauncherCard[data-category=Notebook]")
    for kernel in ("Python 3", "PySpark 1g", "PySpark 2g"):
        expect(notebooks.get_by_text(kernel)).to_be_visible()
    keep("launcher", 620)
    notebooks.get_by_text("Python 3").click()
    assert "42" in run_cell(page, "6 * 7")
    keep("notebook", 400)

    page.goto(f"{hub.address}/hub/home")
    expect(page.get_by_role("button", name="Stop My Server")).to_be_visible()
    expect(page.get_by_role("button", name="My Server", exact=True)).to_be_visible()
    keep("home", 160)
