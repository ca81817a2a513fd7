"""What a user reads when a server ends, when Docker or a disk fails, and when the hub itself refuses."""

import signal
import subprocess
from collections.abc import Iterator

import docker
import pytest
from docker_support import OwnEngine, connect, own_engine
from spawn_support import (
    ADMINISTRATION,
    Browser,
    Hub,
    Page,
    docker_settings,
    fill,
    open_folder,
    running_hub,
    small_run,
)

from tests.spawn_site import PREFIX
from tests.waiting import wait_for

pytest_plugins = ["docker_support"]

TWO = docker_settings(more="    - {name: Other, image: other}\n")
"""With something to choose, so that there is a page."""

PYTHON = f"""{ADMINISTRATION}
c.DockerSpawner.poll_interval = 3600

def before_start(spawner, auth_state):
    if spawner.user.name == "oscar":
        raise ValueError("the administrator's code is wrong")
    if spawner.user.name == "silent":
        spawner.http_timeout = 5

c.Spawner.auth_state_hook = before_start
"""
"""The hub looks at a server when a test wants it, not by chance before."""


@pytest.fixture(scope="module")
def hub(engine: docker.APIClient, image: str) -> Iterator[Hub]:
    with open_folder() as folder, running_hub(folder / "root", engine, docker_settings(), PYTHON) as running:
        yield running


def start(hub: Hub, name: str) -> Browser:
    """A browser of a user whose server runs."""
    browser = hub.browser(name)
    browser.spawn()
    browser.wait(f"/user/{name}/api", lambda page: page.text == name)
    return browser


def ended(browser: Browser, name: str) -> Page:
    """The page of a server that was seen to have ended: the home page has the hub look."""
    browser.get("/hub/home")
    return browser.wait(f"/user/{name}/", lambda page: page.status == 424)


def wait_for_mark(hub: Hub, name: str) -> None:
    """Docker hears that memory was short, and of the container's end, in no order, and may show both at the end."""
    wait_for("Docker's mark", lambda: hub.container(name)["State"]["OOMKilled"], 60)


def log_on(page: Page) -> list[str]:
    """The lines of the server's log that the page shows."""
    return page.text.partition('<pre id="ending-log">')[2].partition("</pre>")[0].splitlines()


# -- a server that ended -----------------------------------------------------------------------------------------------


def test_a_server_that_needs_too_much_memory_says_so(hub: Hub) -> None:
    alice = start(hub, "alice")
    assert alice.get("/user/alice/eat").status == 503
    wait_for_mark(hub, "alice")
    page = ended(alice, "alice")
    assert "Why it ended: It needed more memory than the 640 MB that it may have, and was ended." in page.words
    assert "choose an image with more memory" in page.words
    assert log_on(page) == ["listening"]
    assert "alice server stopped, with exit code: ExitCode=137" in hub.log
    start(hub, "alice")


def test_a_server_is_not_blamed_for_a_kernel_that_needed_too_much_memory(hub: Hub) -> None:
    """Docker's mark says that something in the container was ended for it, not what."""
    bernd = start(hub, "bernd")
    assert bernd.get("/user/bernd/child-eats").text == "-9"
    bernd.get("/user/bernd/exit")
    wait_for_mark(hub, "bernd")
    page = ended(bernd, "bernd")
    assert "Why it ended: It ended with an error. (exit code 3)" in page.words


def test_a_server_that_ends_says_its_exit_code_and_its_last_words(hub: Hub) -> None:
    carla = start(hub, "carla")
    carla.get("/user/carla/exit")
    page = ended(carla, "carla")
    assert "Why it ended: It ended with an error. (exit code 3)" in page.words
    assert log_on(page) == ["listening", "the end is near"]
    assert 'href="/hub/spawn/carla?next=%2Fhub%2Fuser%2Fcarla%2F"' in page.text
    assert "carla server stopped, with exit code: ExitCode=3" in hub.log


def test_while_nobody_knows_yet_the_page_says_that_it_looks_again(hub: Hub) -> None:
    emma = start(hub, "emma")
    hub.client.kill(f"{PREFIX}-emma")
    page = emma.get("/user/emma/lab")
    assert page.status == 503
    assert "Your server does not answer It may have ended, or be very busy." in page.words
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert "Why it ended: It was ended by the signal SIGKILL. (exit code 137)" in ended(emma, "emma").words


def test_a_server_that_ends_while_it_starts_says_why(hub: Hub) -> None:
    browser = hub.browser("fails")
    browser.spawn()
    page = browser.wait("/hub/spawn-pending/fails", lambda page: page.status != 200)
    assert page.status == 500
    assert "Your server ended while it started. It ended with an error. (exit code 3)" in page.words
    assert log_on(page) == ["there is no room on the disk"]
    assert "it said last: there is no room on the disk" in hub.log


def test_a_server_that_does_not_answer_leaves_its_last_words(hub: Hub) -> None:
    browser = hub.browser("silent")
    browser.spawn()
    page = browser.wait("/hub/spawn-pending/silent", lambda page: page.status != 200)
    assert page.status == 500
    assert "Why it ended: It did not answer in time after its start, and was ended. Try again." in page.words
    assert log_on(page) == ["listening"]
    assert "silent" not in hub.container_names()
    assert "silent's server never showed up" in hub.log


# -- Docker and disks --------------------------------------------------------------------------------------------------


@pytest.fixture
def stoppable(engine: docker.APIClient, image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnEngine]:
    """An engine that the test can end, with the image in it; hubs and clients of this test use it."""
    with own_engine() as own:
        monkeypatch.setenv("DOCKER_HOST", own.address)
        client = connect()
        client.load_image(b"".join(engine.get_image(image)))
        client.close()
        yield own


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "crashed"])
def test_docker_that_ends_while_a_server_starts(stoppable: OwnEngine, how: signal.Signals) -> None:
    client = connect()
    with open_folder() as folder, running_hub(folder / "root", client, TWO, ADMINISTRATION) as hub:
        others = start(hub, "alice")
        browser = hub.browser("slow")
        browser.spawn()
        wait_for("slow's container", lambda: "slow" in hub.container_names())
        stoppable.end(how)
        page = browser.wait("/hub/spawn-pending/slow", lambda page: page.status != 200)
        # a Docker that is told to end ends the containers first, and may be asked about it before it is gone
        told = ("Docker, which runs the servers, does not answer. Try again in a minute", "ended by the signal SIGKILL")
        assert any(sentence in page.words for sentence in told[: 1 if how == signal.SIGKILL else 2]), page.words
        assert "Not starting slow's server" in hub.log

        page = browser.get("/hub/spawn")
        assert page.status == 200
        assert "Docker, which runs the servers, does not answer." in page.words
        assert "this image is not on the server" not in page.words

        stoppable.start()
        hub.home("slow").joinpath("go").touch()
        browser.spawn()
        browser.wait("/user/slow/api", lambda page: page.text == "slow")
        found = hub.containers(running=False)
        assert sorted(found) == [f"{PREFIX}-alice", f"{PREFIX}-slow"]
        others.wait("/user/alice/", lambda page: page.status in (200, 424))
        assert hub.has_no_traceback()
    client.close()


def test_a_home_on_a_disk_that_can_only_be_read_starts_no_server(hub: Hub) -> None:
    folder = hub.home("helen")
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        browser = hub.browser("helen")
        page = browser.spawn()
        assert page.status == 500
        sentence = f"Your folder {folder} is on a disk that can only be read at the moment. Nothing could be saved"
        assert sentence in page.words
        assert sentence in hub.log
        assert "helen" not in hub.container_names()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    start(hub, "helen")


def test_a_full_run_folder_starts_no_server_and_takes_none_away(engine: docker.APIClient, image: str) -> None:
    with (
        open_folder() as folder,
        small_run(folder / "root") as filler,
        running_hub(folder / "root", engine, docker_settings(), ADMINISTRATION) as hub,
    ):
        others = start(hub, "alice")
        fill(filler)
        page = hub.browser("bob").spawn()
        assert page.status == 507
        assert "This machine has no space left for what your server needs. Nothing of yours is lost." in page.words
        assert "bob: [Errno 28] No space left on device" in hub.log
        assert "bob" not in hub.container_names()
        assert others.get("/user/alice/api").text == "alice"
        filler.unlink()
        start(hub, "bob")
        assert hub.has_no_traceback()


# -- cookies, addresses, and the hub's own errors ----------------------------------------------------------------------


def test_a_cookie_of_before_the_hub_was_installed_anew_leads_to_the_login_page(
    engine: docker.APIClient, image: str
) -> None:
    with open_folder() as folder, running_hub(folder / "root", engine, TWO, ADMINISTRATION) as hub:
        browser = hub.browser("alice")
        form = browser.get("/hub/spawn").form()
        assert hub.root.hubctl("stop").returncode == 0
        for name in ("jupyterhub.sqlite", "cookie_secret"):
            (hub.root.path / "var/lib/jupyterhub" / name).unlink()
        hub.start()
        before = dict(browser.cookies)
        for path in ("/", "/hub/home", "/hub/spawn", "/hub/spawn-pending/alice", "/user/alice/lab", "/hub/admin"):
            browser.cookies = dict(before)
            page = browser.get(path)
            assert page.status == 200, page.words
            assert page.url.startswith("/hub/login")
        browser.cookies = dict(before)
        page = browser.post(form.action, {"image": "Small"})
        assert page.status == 403
        assert "Go to your home page and do it again from there." in page.words
        browser.cookies = dict(before)
        browser.log_in("alice")
        browser.spawn()
        browser.wait("/user/alice/api", lambda page: page.text == "alice")
        assert hub.has_no_traceback()


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/hub/no-such-page", 404, "Look at the address for a mistake, or go to your home page"),
        ("/user/nobody-of-that-name/lab", 404, "Look at the address for a mistake, or go to your home page"),
        ("/hub/spawn/nobody-of-that-name", 404, "Look at the address for a mistake"),
        ("/hub/admin", 403, "If you should be allowed in here, ask the administrator; else go to your home page"),
        ("/hub/spawn?next=%FF", 400, "Go to your home page and try again from there."),
        ("/user/nina/lab", 424, "Your server is not running. Would you like to start it?"),
    ],
)
def test_every_error_page_says_what_to_do(hub: Hub, path: str, status: int, sentence: str) -> None:
    page = hub.browser("nina").get(path)
    assert page.status == status
    assert sentence in page.words
    assert "None" not in page.words
    assert 'href="/hub/home"' in page.text
    assert "moons" not in page.words


def test_an_unknown_page_says_what_to_do_to_somebody_who_is_not_logged_in(hub: Hub) -> None:
    page = hub.browser().get("/hub/no-such-page")
    assert page.status == 404
    assert "Look at the address for a mistake" in page.words


def test_a_failure_of_the_hub_itself_says_what_to_do(hub: Hub) -> None:
    page = hub.browser("oscar").get("/hub/spawn")
    assert page.status == 500
    assert "If it happens again, tell the administrator the time and this page's address" in page.words
    assert "ValueError" not in page.words
    assert "the administrator's code is wrong" in hub.log


def test_too_many_servers_are_told_on_the_page(engine: docker.APIClient, image: str) -> None:
    python = ADMINISTRATION + "c.JupyterHub.active_server_limit = 1\n"
    with open_folder() as folder, running_hub(folder / "root", engine, TWO, python) as hub:
        start(hub, "alice")
        page = hub.browser("bob").spawn()
        assert page.status == 429
        assert "Active user limit exceeded. Try again in a few minutes." in page.words
        assert page.form().choices("image") == ["Small"]
        assert hub.container_names() == ["alice"]
        assert hub.has_no_traceback()


def test_too_many_starts_at_once_are_told_on_a_page(engine: docker.APIClient, image: str) -> None:
    python = ADMINISTRATION + "c.JupyterHub.concurrent_spawn_limit = 1\n"
    with open_folder() as folder, running_hub(folder / "root", engine, docker_settings(), python) as hub:
        hub.browser("slow").spawn()
        page = hub.browser("bob").spawn()
        assert page.status == 429
        assert "Too many users trying to log in right now. Try again in" in page.words
        assert "Wait a minute, then go to your home page and try again." in page.words
        assert int(page.headers["Retry-After"]) > 0
        hub.home("slow").joinpath("go").touch()
