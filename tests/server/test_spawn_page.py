"""The spawn page and what comes back from it, on a running hub with a real Docker Engine."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import docker
import pytest
from docker_support import IMAGE
from spawn_support import (
    ADMINISTRATION,
    SPARK_IMAGE,
    Browser,
    Hub,
    Page,
    make_spark_image,
    open_folder,
    running_hub,
)

from tests.spawn_site import PREFIX

pytest_plugins = ["docker_support"]

PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg'/>"

LITTLE_SPARK_IMAGE = "hubforge-test-spark:little"

GONE = "hubforge-test-gone:latest"

SETTINGS = f"""\
auth: shared-password
spawner: docker
docker:
  network: host
  images:
    - {{name: Small, image: '{IMAGE}', memory: 640m, description: 'One & <only>', picture: /etc/jupyterhub/small.svg}}
    - {{name: Spark, image: '{SPARK_IMAGE}', memory: 4g}}
    - {{name: Little Spark, image: '{LITTLE_SPARK_IMAGE}', memory: 2g}}
    - {{name: Gone, image: '{GONE}'}}
pyspark: {{driver_memory: [1g, 2g]}}
"""

HUGE = "x" * 10_000_000


@pytest.fixture(scope="module")
def hub(engine: docker.APIClient, image: str) -> Iterator[Hub]:
    make_spark_image(engine)
    engine.tag(SPARK_IMAGE, *LITTLE_SPARK_IMAGE.split(":"))
    with open_folder() as folder, running_hub(folder / "root", engine, SETTINGS, ADMINISTRATION) as running:
        (running.root.path / "etc/jupyterhub/small.svg").write_bytes(PICTURE)
        yield running


@pytest.fixture(autouse=True)
def no_server_stays(hub: Hub) -> Iterator[None]:
    """Each test finds and leaves a hub without servers, and a log without tracebacks."""
    yield
    for name in hub.container_names():
        hub.stop_server(name)
    assert hub.container_names() == []
    assert hub.has_no_traceback()


def in_server(browser: Browser, name: str) -> Page:
    return browser.wait(f"/user/{name}/api", lambda page: page.text == name)


def refused(hub: Hub, page: Page, sentence: str, status: int = 400) -> None:
    """The page came back, says what is wrong, and nothing was started."""
    assert page.status == status
    assert sentence in page.words
    assert page.form().choices("image") == ["Small", "Spark", "Little Spark"]
    assert hub.container_names() == []


# -- the page ----------------------------------------------------------------------------------------------------------


def test_each_image_has_a_card(hub: Hub, engine: docker.APIClient) -> None:
    page = hub.browser("ada").get("/hub/spawn")
    assert "One & <only>" in page.words
    assert "640 MB memory, 2 processors" in page.words
    found = engine.inspect_image(IMAGE)
    assert f"Image of {found['Size'] / 1024**2:.1f} MB, built on {found['Created'][:10]}" in page.words
    assert f'datetime="{date.fromisoformat(found["Created"][:10])}"' in page.text
    assert page.text.count("data:image/svg+xml;base64,") == 1
    assert page.form().choices("driver_memory") == ["1g", "2g"]


def test_an_image_that_is_not_here_is_shown_as_unavailable(hub: Hub) -> None:
    page = hub.browser("ada").get("/hub/spawn")
    assert page.form().choices("image") == ["Small", "Spark", "Little Spark"]
    assert "Gone Not available: this image is not on the server at the moment." in page.words
    assert page.words.count("Not available") == 1


def test_the_choice_of_the_last_time_is_made_beforehand(hub: Hub) -> None:
    browser = hub.browser("ada")
    browser.spawn(image="Spark", driver_memory="2g")
    in_server(browser, "ada")
    hub.stop_server("ada")
    chosen = browser.get("/hub/spawn").form().values
    assert (chosen["image"], chosen["driver_memory"]) == ("Spark", "2g")
    others = hub.browser("bob").get("/hub/spawn").form().values
    assert (others["image"], others["driver_memory"]) == ("Small", "1g")


def test_the_server_is_what_was_chosen(hub: Hub) -> None:
    browser = hub.browser("cleo")
    browser.spawn(image="Spark", driver_memory="2g")
    in_server(browser, "cleo")
    container = hub.container("cleo")
    assert container["Config"]["Image"] == SPARK_IMAGE
    assert container["HostConfig"]["Memory"] == 4 * 1024**3
    assert "SPARK_DRIVER_MEMORY=2048m" in container["Config"]["Env"]


def test_a_form_without_a_choice_starts_the_first_image(hub: Hub) -> None:
    browser = hub.browser("dora")
    form = browser.get("/hub/spawn").form()
    browser.post(form.action, {})
    in_server(browser, "dora")
    assert hub.container("dora")["Config"]["Image"] == IMAGE


def test_the_address_of_the_page_can_hold_the_choice(hub: Hub) -> None:
    browser = hub.browser("dora")
    browser.get("/hub/spawn?opt-image=Spark&opt-driver_memory=2g")
    in_server(browser, "dora")
    assert "SPARK_DRIVER_MEMORY=2048m" in hub.container("dora")["Config"]["Env"]


def test_the_page_says_what_is_happening_while_the_server_starts(hub: Hub) -> None:
    browser = hub.browser("slow")
    page = browser.spawn()
    assert page.status == 200
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in page.text
    browser.wait("/hub/spawn-pending/slow", lambda page: "<p>Starting Jupyter in it …</p>" in page.text)
    steps = []
    for step in hub.progress("slow"):
        steps.append(step["message"])
        if steps[-1] == "Starting Jupyter in it":
            hub.home("slow").joinpath("go").touch()
    assert steps[:5] == [
        "Server requested",
        "Looking after your folder",
        "Making a container from Small",
        "Starting the container",
        "Starting Jupyter in it",
    ]
    assert steps[-1].startswith("Server ready at")
    in_server(browser, "slow")


# -- what is refused ---------------------------------------------------------------------------------------------------

FORGED: dict[str, tuple[list[tuple[str, str]], str]] = {
    "an image that is not offered": ([("image", "Other")], "The image 'Other' is not offered. Choose one of those"),
    "Docker's name": ([("image", IMAGE)], "is not offered"),
    "no image": ([("image", "")], "The image '' is not offered"),
    "markup": ([("image", "<script>alert(1)</script>")], "The image '<script>alert(1)</script>' is not offered"),
    "a huge name": ([("image", HUGE)], "xxx… is not offered"),
    "a size that is not offered": ([("driver_memory", "64g")], "'64g' of driver memory is not offered"),
    "a huge size": ([("driver_memory", HUGE)], "xxx… of driver memory is not offered"),
    "a size that is too large here": (
        [("image", "Little Spark"), ("driver_memory", "2g")],
        "2g of driver memory is too much for Little Spark. Choose one of: 1g.",
    ),
    "a further field": ([("image", "Small"), ("mem_limit", "64g")], "That is not the form of this page"),
    "a huge field": ([("image", "Small"), (HUGE, "")], "That is not the form of this page"),
    "a field twice": ([("image", "Small"), ("image", "Spark")], "That is not the form of this page"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_form_starts_nothing_and_the_page_comes_back(hub: Hub, kind: str) -> None:
    fields, sentence = FORGED[kind]
    browser = hub.browser("eve")
    form = browser.get("/hub/spawn").form()
    before = len(hub.log)
    page = browser.post(form.action, fields)
    refused(hub, page, sentence)
    assert "<script>alert(1)" not in page.text
    assert len(page.text) < 50_000
    assert "Not starting eve" in hub.log[before:]
    assert len(hub.log) - before < 5000


def test_letters_that_are_no_text_are_refused_in_the_form_and_in_the_address(hub: Hub) -> None:
    browser = hub.browser("eve")
    form = browser.get("/hub/spawn").form()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(hub, browser.request("POST", form.action, b"image=%FF", headers), "is not offered")
    refused(hub, browser.get("/hub/spawn?opt-image=%FF"), "is not offered")


def test_a_file_instead_of_a_choice_is_refused(hub: Hub) -> None:
    browser = hub.browser("eve")
    form = browser.get("/hub/spawn").form()
    body = (
        b'--limit\r\nContent-Disposition: form-data; name="image"; filename="Small"\r\n'
        b"Content-Type: text/plain\r\n\r\nSmall\r\n--limit--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    refused(hub, browser.request("POST", form.action, body, headers), "That is not the form of this page")


def test_what_was_refused_is_still_chosen_on_the_page(hub: Hub) -> None:
    browser = hub.browser("eve")
    form = browser.get("/hub/spawn").form()
    page = browser.post(form.action, {"image": "Little Spark", "driver_memory": "2g"})
    assert page.form().values["image"] == "Little Spark"


def test_the_address_that_a_refused_form_leaves_behind_starts_nothing(hub: Hub) -> None:
    browser = hub.browser("eve")
    form = browser.get("/hub/spawn").form()
    page = browser.get(browser.post(form.action, {"image": "Other"}).url)
    assert page.status == 200
    assert page.form().choices("image")
    assert hub.container_names() == []


@pytest.mark.parametrize("token", ["", "2|1|1|1", "wrong"])
def test_a_form_without_the_hubs_token_is_refused_with_a_page_that_says_what_to_do(hub: Hub, token: str) -> None:
    browser = hub.browser("eve")
    browser.get("/hub/spawn")
    page = browser.post("/hub/spawn", {"image": "Small", **({"_xsrf": token} if token else {})})
    assert page.status == 403
    assert "The form that was sent is too old, or not this hub's. Nothing was done." in page.words
    assert "Go to your home page and do it again from there." in page.words
    assert 'href="/hub/home"' in page.text
    assert "403 POST /hub/spawn" in hub.log
    assert hub.container_names() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image": "Other"}, "The image 'Other' is not offered. Choose one of those below."),
        ({"image": 3}, "The image 3 is not offered"),
        ({"image": ["Small"]}, "The image ['Small'] is not offered"),
        ({"image": None}, "The image None is not offered"),
        ({"image": HUGE}, "… is not offered"),
        ({"driver_memory": "64g"}, "'64g' of driver memory is not offered"),
        ({"driver_memory": ["1g"]}, "['1g'] of driver memory is not offered"),
        ({"driver_memory": {"1g": 1}}, "of driver memory is not offered"),
        ({"image": "Little Spark", "driver_memory": "2g"}, "2g of driver memory is too much for Little Spark"),
        ({"mem_limit": "64g"}, "There is no choice called 'mem_limit' here."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_offered_is_refused_by_the_api_and_not_kept(hub: Hub, options: object, sentence: str) -> None:
    browser = hub.browser("eve")
    before = len(hub.log)
    answer = hub.api("POST", "/users/eve/server", options)
    assert answer.status == 400
    assert sentence in json.loads(answer.text)["message"]
    assert hub.container_names() == []
    assert len(hub.log) - before < 10_000
    chosen = browser.get("/hub/spawn").form().values
    assert (chosen["image"], chosen["driver_memory"]) == ("Small", "1g")
    assert json.loads(hub.api("GET", "/users/eve?include_stopped_servers=1").text)["servers"][""]["user_options"] == {}


@pytest.mark.parametrize("body", ["Small", ["Small"], 3])
def test_the_api_wants_names_and_values(hub: Hub, body: object) -> None:
    hub.browser("eve")
    assert hub.api("POST", "/users/eve/server", body).status == 400


def test_an_image_that_is_not_here_is_not_started_and_not_pulled(hub: Hub, engine: docker.APIClient) -> None:
    began = int(time.time())
    browser = hub.browser("finn")
    form = browser.get("/hub/spawn").form()
    page = browser.post(form.action, {"image": "Gone"})
    refused(hub, page, "The image Gone is not on this server any more. Choose another one, or ask", status=404)
    assert "No such image: hubforge-test-gone" in hub.log
    pulls = engine.events(since=began, until=int(time.time()) + 1, filters={"event": "pull"}, decode=True)
    assert list(pulls) == []


def test_an_image_that_is_deleted_between_the_page_and_the_start_is_told(hub: Hub, engine: docker.APIClient) -> None:
    engine.tag(IMAGE, *GONE.split(":"))
    browser = hub.browser("finn")
    form = browser.get("/hub/spawn").form()
    assert "Gone" in form.choices("image")
    engine.remove_image(GONE)
    page = browser.post(form.action, {"image": "Gone"})
    refused(hub, page, "The image Gone is not on this server any more. Choose another one, or ask", status=404)
    browser.spawn(image="Small")
    in_server(browser, "finn")


# -- more than one form ------------------------------------------------------------------------------------------------


def at_once(*jobs: tuple[Browser, str, dict[str, str]]) -> list[Page]:
    """Sends the forms in the same moment, each from its browser."""
    together = Barrier(len(jobs))

    def send(browser: Browser, action: str, fields: dict[str, str]) -> Page:
        together.wait()
        return browser.post(action, fields)

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [job.result() for job in [pool.submit(send, *job) for job in jobs]]


@pytest.mark.parametrize("images", [("Small", "Small"), ("Small", "Spark"), ("Spark", "Small", "Small", "Spark")])
def test_forms_that_are_sent_at_once_start_one_server(hub: Hub, images: tuple[str, ...]) -> None:
    """A double click, two tabs, two browsers: to the hub they are the same."""
    browsers = [hub.browser("gina") for _ in images]
    for _ in range(3):
        forms = [browser.get("/hub/spawn").form() for browser in browsers]
        jobs = zip(browsers, forms, images, strict=True)
        pages = at_once(*((browser, form.action, {"image": chosen}) for browser, form, chosen in jobs))
        assert [page.status for page in pages] == [200] * len(images), [page.words[:500] for page in pages]
        for browser in browsers:
            in_server(browser, "gina")
        assert hub.container_names() == ["gina"]
        assert hub.container("gina")["Config"]["Image"] in (IMAGE, SPARK_IMAGE)
        hub.stop_server("gina")


def test_a_form_that_comes_while_the_server_starts_or_runs_leads_to_it(hub: Hub) -> None:
    first, second = hub.browser("slowgina"), hub.browser("slowgina")
    form = second.get("/hub/spawn").form()
    first.spawn(image="Small")
    page = second.post(form.action, {"image": "Spark"})
    assert page.status == 200
    assert "Your server is starting up." in page.words
    hub.home("slowgina").joinpath("go").touch()
    in_server(first, "slowgina")
    page = second.post(form.action, {"image": "Spark"})
    assert page.url.endswith("/user/slowgina/") or "/user/slowgina/lab" in page.url
    assert hub.container("slowgina")["Config"]["Image"] == IMAGE


def test_a_form_of_a_server_that_has_died_unnoticed_starts_a_new_one(hub: Hub, engine: docker.APIClient) -> None:
    browser = hub.browser("gina")
    form = browser.get("/hub/spawn").form()
    browser.spawn(image="Small")
    in_server(browser, "gina")
    engine.kill(f"{PREFIX}-gina")
    assert browser.post(form.action, {"image": "Spark"}).status == 200
    in_server(browser, "gina")
    assert hub.container("gina")["Config"]["Image"] == SPARK_IMAGE


def test_a_server_that_the_api_starts_at_the_same_time_is_the_only_one(hub: Hub) -> None:
    browser = hub.browser("gina")
    form = browser.get("/hub/spawn").form()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(hub.api, "POST", "/users/gina/server", {"image": "Spark"})
        page = browser.post(form.action, {"image": "Small"})
    assert page.status == 200
    assert answer.result().status in (201, 202)
    in_server(browser, "gina")
    assert hub.container_names() == ["gina"]


def test_two_tabs_that_open_a_site_with_one_image_start_one_server(engine: docker.APIClient, image: str) -> None:
    settings = "auth: shared-password\nspawner: docker\ndocker:\n  network: host\n"
    settings += f"  images: [{{name: Small, image: '{IMAGE}', memory: 640m}}]\n"
    with open_folder() as folder, running_hub(folder / "root", engine, settings, ADMINISTRATION) as hub:
        browsers = [hub.browser("gina") for _ in range(3)]
        with ThreadPoolExecutor() as pool:
            pages = list(pool.map(lambda browser: browser.get("/hub/spawn"), browsers))
        assert [page.status for page in pages] == [200] * 3, [page.words[:500] for page in pages]
        for browser in browsers:
            in_server(browser, "gina")
        assert hub.container_names() == ["gina"]
        assert hub.has_no_traceback()
