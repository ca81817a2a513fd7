"""A whole hub with containers, and browsers without JavaScript that use it."""

import contextlib
import html.parser
import http.client
import http.cookies
import json
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from conftest import HubUser, ServerRoot, make_server_root
from docker_support import IMAGE

from tests.spawn_site import PREFIX, lay_out_site
from tests.waiting import wait_for

ROOT = HubUser("root", 0, 0)

SPARK_IMAGE = "hubforge-test-spark:latest"
"""The same image with labels that say that Spark is in it."""

API_TOKEN = "hubforge-test-token"

ADMINISTRATION = f"""\
c.JupyterHub.services.append({{"name": "tests", "api_token": "{API_TOKEN}"}})
c.JupyterHub.load_roles.append({{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers"]}})
"""
"""The administrator's Python that lets tests use the hub's API."""


@dataclass
class Page:
    """What a browser got."""

    status: int
    url: str
    text: str
    headers: http.client.HTTPMessage

    @property
    def words(self) -> str:
        """The text without markup, and with single spaces."""
        body = re.sub(r"(?s)<(script|style|noscript).*?</\1>", " ", self.text)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def form(self) -> "Form":
        parser = _FormParser()
        parser.feed(self.text)
        assert parser.form is not None, f"no form in: {self.words[:500]}"
        return parser.form


@dataclass
class Form:
    """A form of a page, with what is filled in."""

    action: str
    inputs: list[dict[str, str]] = field(default_factory=list)

    @property
    def values(self) -> dict[str, str]:
        """What a browser would send without any change."""
        values = {}
        for entry in self.inputs:
            if "disabled" in entry or "name" not in entry:
                continue
            if entry.get("type") != "radio" or "checked" in entry:
                values[entry["name"]] = entry.get("value", "")
        return values

    def choices(self, name: str) -> list[str]:
        """What can be chosen by the radio buttons called ``name``."""
        return [e["value"] for e in self.inputs if e.get("name") == name and "disabled" not in e]


class _FormParser(html.parser.HTMLParser):
    form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.form = Form(values.get("action", ""))
        elif tag == "input" and self.form:
            self.form.inputs.append(values)


class Browser:
    """Cookies, redirects and forms; no JavaScript."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[tuple[str, str], str] = {}

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to the hub."""
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)

    def request(
        self, method: str, url: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> Page:
        """One request, redirects not followed."""
        connection = self.connect()
        path = urllib.parse.urlsplit(url).path
        try:
            connection.request(
                method, url, body, {"Cookie": self.cookies_for(path), "Accept": "text/html", **(headers or {})}
            )
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for header in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(header).items():
                self.cookies[morsel["path"], name] = morsel.value
        return Page(answer.status, url, text, answer.headers)

    @contextlib.contextmanager
    def websocket(self, path: str) -> Iterator[tuple[socket.socket, int]]:
        """A websocket with the browser's cookies (RFC 6455, 4.1): its connection, and the status of the answer."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with ssl._create_unverified_context().wrap_socket(raw) as connection:
            lines = [
                *(f"GET {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"),
                *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: b2YtYWxpY2Utb2YtYWxpYw=="),
                *(f"Cookie: {self.cookies_for(path)}", "", ""),
            ]
            connection.sendall("\r\n".join(lines).encode())
            answer = connection.recv(4096)
            if not answer:
                raise ConnectionError(f"no answer to a websocket at {path}")
            yield connection, int(answer.split()[1])

    def cookies_for(self, path: str) -> str:
        return "; ".join(f"{name}={value}" for (where, name), value in self.cookies.items() if path.startswith(where))

    def get(self, url: str) -> Page:
        """A page, redirects followed."""
        return self._followed(self.request("GET", url))

    def post(self, url: str, fields: Mapping[str, str | bytes] | list[tuple[str, str]]) -> Page:
        """A form sent, redirects followed."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._followed(self.request("POST", url, urllib.parse.urlencode(fields), headers))

    def _followed(self, page: Page) -> Page:
        for _ in range(12):
            location = page.headers.get("Location")
            if page.status not in (301, 302, 303, 307) or not location:
                return page
            page = self.request("GET", urllib.parse.urljoin(page.url, location))
        raise AssertionError(f"redirected in circles at {page.url}")

    def log_in(self, name: str) -> Page:
        form = self.get("/hub/login?next=/hub/home").form()
        page = self.post("/hub/login?next=/hub/home", {**form.values, "username": name, "password": "x"})
        assert page.status == 200, page.words
        return page

    def spawn(self, server: str = "", **choice: str) -> Page:
        """Fills in the spawn page and sends it; where there is nothing to choose, there is no such page."""
        page = self.get(f"/hub/spawn{server}")
        if 'id="spawn_form"' not in page.text:
            return page
        form = page.form()
        return self.post(form.action, {**form.values, **choice})

    def shell(self, user: str, command: str) -> str:
        """What a command prints that the user's server runs."""
        return self.get(f"/user/{user}/sh/{command.encode().hex()}").text

    def wait(self, url: str, until: Callable[[Page], bool], seconds: float = 120) -> Page:
        """Loads a page again and again until it is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            page = self.get(url)
            if until(page):
                return page
            assert time.monotonic() < deadline, f"{page.status} {page.url}: {page.words[:1500]}"
            time.sleep(0.2)


@dataclass
class Hub:
    """A running hub of the test's own, as root."""

    root: ServerRoot
    client: docker.APIClient

    def browser(self, name: str | None = None) -> Browser:
        browser = Browser(self.root.port)
        if name:
            browser.log_in(name)
        return browser

    def start(self) -> None:
        done = self.root.hubctl("start")
        assert done.returncode == 0, done.stdout + done.stderr

    def restart(self) -> None:
        self.root.hubctl("stop")
        self.start()

    @property
    def log(self) -> str:
        return self.root.read_log()

    def has_no_traceback(self) -> bool:
        """Whether the log tells every failure in lines for the administrator; shows the first that it does not."""
        before, found, after = self.log.partition("Traceback (most recent call last)")
        print(before[-1500:] + found + after[:4000] if found else "")
        return not found

    def containers(self, running: bool = True) -> dict[str, dict[str, Any]]:
        """The containers by name, as `docker inspect` shows them."""
        found = self.client.containers(all=not running, filters={"name": f"^/{PREFIX}-"})
        return {c["Names"][0].lstrip("/"): self.client.inspect_container(c["Id"]) for c in found}

    def container(self, name: str) -> dict[str, Any]:
        return self.client.inspect_container(f"{PREFIX}-{name}")

    def api(self, method: str, path: str, body: Any = None) -> Page:
        """What JupyterHub's API says to a service that may do everything with servers (``ADMINISTRATION``)."""
        headers = {"Authorization": f"token {API_TOKEN}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        return Browser(self.root.port).request(method, f"/hub/api{path}", content, headers)

    def progress(self, name: str) -> Iterator[dict[str, Any]]:
        """What the progress page is told while a server starts, step by step."""
        connection = Browser(self.root.port).connect()
        connection.request(
            "GET", f"/hub/api/users/{name}/server/progress", headers={"Authorization": f"token {API_TOKEN}"}
        )
        with contextlib.closing(connection):
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def stop_server(self, name: str) -> None:
        """Ends a user's server, and waits until it has ended."""
        assert self.api("DELETE", f"/users/{name}/server").status in (202, 204)
        wait_for(
            f"the end of {name}'s server",
            lambda: "" not in json.loads(self.api("GET", f"/users/{name}").text)["servers"],
            more=lambda: self.log[-2000:],
        )

    def home(self, name: str) -> Path:
        """The folder of the host that is the user's home."""
        return self.root.path / "var/lib/jupyterhub/homes" / name

    def container_names(self) -> list[str]:
        """Names of the users that have a container, whether it runs or not."""
        return sorted(name.removeprefix(f"{PREFIX}-") for name in self.containers(running=False))


def configure(root: ServerRoot, settings: str, python: str = "") -> None:
    """Writes hub.yaml and the administrator's Python: any password is right, and a small program plays the server."""
    lines = root.settings.read_text().splitlines()
    kept = [line for line in lines if line.startswith(("bind:", "port:", "internal_ports:"))]
    root.settings.write_text("\n".join([*kept, settings, ""]))
    lay_out_site(root.path, python, local="spawner: local" in settings)


@contextlib.contextmanager
def running_hub(
    path: Path,
    client: docker.APIClient,
    settings: str,
    python: str = "",
    make_root: Callable[[Path, HubUser], ServerRoot] = make_server_root,
) -> Iterator[Hub]:
    """A hub in ``path``; its containers are removed at the end."""
    root = make_root(path, ROOT)
    configure(root, settings, python)
    hub = Hub(root, client)
    try:
        hub.start()
        yield hub
    finally:
        root.hubctl("stop")
        for container in client.containers(all=True, filters={"name": f"^/{PREFIX}-"}):
            client.remove_container(container["Id"], force=True)


def make_spark_image(client: docker.APIClient) -> None:
    """Makes ``SPARK_IMAGE`` out of ``IMAGE``."""
    container = client.create_container(IMAGE, "true")
    repository, _, tag = SPARK_IMAGE.partition(":")
    facts = {"jupyterhub": "6.1.1", "pyspark": "3.5.0", "java": "17"}
    client.commit(container, repository, tag, changes=[f"LABEL hubforge.{name}={fact}" for name, fact in facts.items()])
    client.remove_container(container)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Not below pytest's own folder, which nobody else can enter."""
    path = Path(tempfile.mkdtemp(prefix="hubforge-test-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def small_run(root: Path) -> Iterator[Path]:
    """`/run` of a root that is not made yet, with little space, as ``fill`` fills it; gives the file to do it with."""
    folder = root / "run"
    folder.mkdir(parents=True)
    with small_disk(folder) as filler:
        yield filler


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system with little space in the place of a folder; gives the file to fill it with."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0755", "none", str(folder)], check=True)
    try:
        yield folder / "filler"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Takes all of the space that a file system has left."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)


def docker_settings(network: str = "host", more: str = "") -> str:
    """hub.yaml for containers of the test image."""
    return (
        f"auth: shared-password\nspawner: docker\ndocker:\n  network: {network}\n"
        f"  images:\n    - {{name: Small, image: '{IMAGE}', memory: 640m, description: 'One & only'}}\n{more}"
    )
