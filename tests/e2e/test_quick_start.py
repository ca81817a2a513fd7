"""The quick start in a browser: log in, choose an image, see it start, compute, find the control panel.

`make pictures` keeps what is on the pages in docs/pictures/; else they are only looked at.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import SECONDS, run_cell
from tests.ports import free_ports
from tests.realm_server import remove_containers

USER = "ada"

SETTINGS = """\
auth: shared-password
spawner: docker
bind: 127.0.0.1
port: {port}
internal_ports: {{hub: {hub}, proxy_api: {proxy}}}
docker:
  images:
    - {{name: Analysis, image: hubforge/notebook, description: 'Python, pandas, PySpark'}}
    - {{name: Large, image: hubforge/notebook, description: The same with more memory, memory: 8g, cpu: 4}}
pyspark: {{driver_memory: [1g, 2g]}}
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


@dataclass(frozen=True)
class Hub:
    """A running hub with containers of the users' image."""

    root: Path
    address: str

    @property
    def password(self) -> str:
        return (self.root / "var/lib/jupyterhub/shared_password").read_text().strip()

    def go_on(self) -> None:
        """Lets the server answer."""
        (self.root / "var/lib/jupyterhub/homes" / USER / ".go").touch()


@pytest.fixture
def hub(prefix: Path, notebook_image: str) -> Iterator[Hub]:
    port, internal, proxy = free_ports(3)
    # not below pytest's own folder, which nobody else can enter
    root = Path(f"/var/tmp/hubforge-test-{port}")
    root.mkdir(mode=0o755)

    def hubctl(*arguments: str) -> None:
        program = prefix / "envs" / "jupyterhubenv" / "bin" / "hubctl"
        subprocess.run([str(program), "--root", str(root), *arguments], check=True, stdin=subprocess.DEVNULL)

    try:
        hubctl("setup", "--auth", "shared-password", "--spawner", "docker")
        (root / "etc/jupyterhub/hub.yaml").write_text(SETTINGS.format(port=port, hub=internal, proxy=proxy))
        (root / "etc/jupyterhub/jupyterhub_config.d/10-test.py").write_text(PATIENCE)
        hubctl("start")
        try:
            yield Hub(root, f"https://localhost:{port}")
        finally:
            hubctl("stop")
    finally:
        remove_containers([USER])
        shutil.rmtree(root)


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


def test_from_the_login_to_the_first_notebook_as_the_quick_start_tells_it(hub: Hub, page: Page, keep: Keep) -> None:
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
    expect(page.get_by_role("status")).to_have_text("Starting Jupyter in it", timeout=60 * SECONDS)
    keep("progress", 270)
    hub.go_on()
    page.wait_for_url(f"**/user/{USER}/lab**", timeout=180 * SECONDS)

    notebooks = page.locator(".jp-LauncherCard[data-category=Notebook]")
    for kernel in ("Python 3", "PySpark 1g", "PySpark 2g"):
        expect(notebooks.get_by_text(kernel)).to_be_visible(timeout=60 * SECONDS)
    keep("launcher", 620)
    notebooks.get_by_text("Python 3").click()
    assert "42" in run_cell(page, "6 * 7")
    keep("notebook", 400)

    page.goto(f"{hub.address}/hub/home")
    expect(page.get_by_role("button", name="Stop My Server")).to_be_visible()
    expect(page.get_by_role("button", name="My Server", exact=True)).to_be_visible()
    keep("home", 160)
