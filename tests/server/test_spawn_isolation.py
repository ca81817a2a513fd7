"""What is meant for one user's server reaches no other program: watched on a running hub, with its real proxy."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from account_support import UIDS, make_account_root
from hubctl.processes import descendants, read_pid_file
from spawn_support import Browser, Hub, docker_settings, open_folder, running_hub

from tests.spawn_site import PREFIX
from tests.waiting import wait_for

pytest_plugins = ["docker_support"]

NEVER = "c.DockerSpawner.poll_interval = c.LocalProcessSpawner.poll_interval = 3600\n"
"""The hub's own look at the servers comes too late to help."""

STRANGER, SAME = 23456, 65534
"""Another user's id, and the one that all containers of `shared-password` have."""

# Takes a port as soon as it can be had, and writes down every byte that it is sent.
THIEF = """\
import select, socket, sys, time
port, log = int(sys.argv[1]), open(sys.argv[2], "ab", buffering=0)
while True:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        break
    except OSError:
        listener.close()
        time.sleep(0.001)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    log.write(b"<connection>")
    connection.settimeout(0.3)
    try:
        log.write(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nstolen")
    except OSError:
        pass
    connection.close()
"""


class Thief:
    """A program of another user that takes a port."""

    def __init__(self, port: int, uid: int, folder: Path) -> None:
        self.port = port
        self.log = folder / f"thief-{port}"
        self.log.touch()
        self.log.chmod(0o666)
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", "/usr/bin/python3", "-c"]
        self.process = subprocess.Popen([*command, THIEF, str(port), str(self.log)], stdout=subprocess.PIPE, cwd="/")

    def wait(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == b"listening\n"

    @property
    def got(self) -> bytes:
        return self.log.read_bytes()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


@contextlib.contextmanager
def stealing(port: int, uid: int, folder: Path) -> Iterator[Thief]:
    thief = Thief(port, uid, folder)
    try:
        yield thief
    finally:
        thief.end()


@contextlib.contextmanager
def asking(browser: Browser, *paths: str) -> Iterator[list[str]]:
    """Sends requests with the browser's cookies without a pause, and connects websockets anew whenever they close;
    collects the answers' texts, and how websockets were answered.
    """
    answers: list[str] = []
    over = threading.Event()

    def ask(path: str) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                answers.append(browser.request("GET", path, headers={"X-Secret": "of-alice"}).text)
                browser.request("POST", path, "password=of-alice")

    def keep_open(path: str) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), browser.websocket(path) as (socket, status):
                answers.append(f"websocket {status}")
                socket.settimeout(1)
                while status == 101 and not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        if not socket.recv(100):
                            break

    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(work, path) for path in paths for work in (ask, keep_open)]
        try:
            yield answers
        finally:
            over.set()
    for job in jobs:
        job.result()


def records(hub: Hub) -> dict[str, dict[str, int]]:
    folder = hub.root.path / "run/jupyterhub/servers"
    return {path.name: json.loads(path.read_text()) for path in folder.iterdir()}


def server_address(hub: Hub, browser: Browser, user: str) -> str:
    """Starts the user's server; gives its address."""
    before = set(records(hub))
    browser.spawn()
    browser.wait(f"/user/{user}/api", lambda page: page.text == user)
    (address,) = set(records(hub)) - before
    return address


def wait_for_all(answers: list[str], *wanted: str) -> None:
    wait_for(f"all of {wanted}", lambda: set(wanted) <= set(answers), more=lambda: f"only {set(answers)}")


def kill_hub(hub: Hub) -> None:
    """And its idle culler, but neither its proxy nor the users' servers."""
    process = read_pid_file(hub.root.path / "run/jupyterhub/hub.pid")
    assert process
    commands = {child: Path(f"/proc/{child.pid}/cmdline").read_bytes() for child in descendants(process)}
    services = [child for child, command in commands.items() if b"idle_culler" in command]
    for one in (process, *services):
        one.signal(signal.SIGKILL)


def watched(hub: Hub, thief: Thief) -> None:
    """The thief had the port while requests came; it got connections, but not a byte."""
    wait_for(
        "a proxy that tries the port, or this test watches the wrong one",
        lambda: thief.got.count(b"<connection>") >= 20,
    )
    assert thief.got.replace(b"<connection>", b"") == b""

    def is_written_down() -> bool:
        """Tries it once: the thief gives whoever connects but a moment to speak."""
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", thief.port)) as direct:
            direct.sendall(b"it does write down what it gets")
            direct.recv(100)
        return b"it does write down what it gets" in thief.got

    wait_for("a thief that writes down what it gets", is_written_down)
    assert f"nothing is sent to 127.0.0.1:{thief.port}" in hub.log


@pytest.mark.parametrize("uid", [STRANGER, SAME])
def test_not_one_request_reaches_a_program_that_takes_a_dead_servers_port(
    engine: docker.APIClient, image: str, folder: Path, uid: int
) -> None:
    with running_hub(folder / "root", engine, docker_settings("host"), NEVER) as hub:
        alice = hub.browser("alice")
        port = int(server_address(hub, alice, "alice").split(":")[1])
        alice.cookies["/user/alice/", "jupyterhub-user-alice"] = "cookie-of-alice"
        with stealing(port, uid, folder) as thief, asking(alice, "/user/alice/api", "/user/alice/lab") as answers:
            wait_for_all(answers, "alice", "websocket 101")
            engine.kill(f"{PREFIX}-alice")
            thief.wait()
            watched(hub, thief)
            answers.clear()
            wait_for_all(answers, "websocket 503")
        assert not {"stolen", "websocket 101", "websocket 200"} & set(answers)
        page = alice.get("/hub/home")  # it looks at the server, too
        page = alice.get("/user/alice/")
        assert page.status == 424
        assert "Why it ended: It was ended by the signal SIGKILL" in page.words


@pytest.mark.parametrize("killed", ["server", "hub and server"])
def test_not_one_request_reaches_a_program_that_takes_a_dead_local_servers_port(
    engine: docker.APIClient, folder: Path, killed: str
) -> None:
    settings = "auth: pam\nspawner: local\n"
    with running_hub(folder / "root", engine, settings, NEVER, make_account_root) as hub:
        alice = hub.browser("alice")
        address = server_address(hub, alice, "alice")
        alice.cookies["/user/alice/", "jupyterhub-user-alice"] = "cookie-of-alice"
        port, process = int(address.split(":")[1]), records(hub)[address]["pid"]
        with stealing(port, UIDS["bob"], folder) as thief, asking(alice, "/user/alice/api") as answers:
            wait_for_all(answers, "alice", "websocket 101")
            if killed == "hub and server":
                kill_hub(hub)
            os.kill(process, signal.SIGKILL)
            thief.wait()
            watched(hub, thief)
            answers.clear()
            wait_for_all(answers, "websocket 503")
            if killed == "hub and server":
                hub.start()
        assert not {"stolen", "websocket 101", "websocket 200"} & set(answers)
        alice.get("/hub/home")  # it looks at the server, too
        page = alice.get("/user/alice/")
        assert page.status == 424
        if killed == "server":
            assert "Why it ended: It was ended by the signal SIGKILL" in page.words


def test_a_program_that_takes_the_port_of_a_server_inside_a_living_container_gets_nothing(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    python = NEVER + "c.DockerSpawner.cmd = ['sh', '-c', 'jupyterhub-singleuser; exec sleep 600']\n"
    with running_hub(folder / "root", engine, docker_settings("host"), python) as hub:
        alice = hub.browser("alice")
        port = int(server_address(hub, alice, "alice").split(":")[1])
        with stealing(port, SAME, folder) as thief, asking(alice, "/user/alice/api") as answers:
            processes = engine.top(f"{PREFIX}-alice")["Processes"]
            (server,) = (int(row[1]) for row in processes if row[-1].startswith("/usr/bin/python3"))
            os.kill(server, signal.SIGKILL)
            thief.wait()
            watched(hub, thief)
            alice.get("/hub/home")
        assert "stolen" not in answers
        assert hub.containers() == {}, "nobody can reach the rest of it any more"


def test_passwords_do_not_reach_a_program_that_takes_the_hubs_own_port(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    """The hub was killed, its proxy goes on."""
    with running_hub(folder / "root", engine, docker_settings("host")) as hub:
        browser = hub.browser()
        form = browser.get("/hub/login").form()
        ports = hub.root.settings.read_text().partition("internal_ports: {hub: ")[2]
        with stealing(int(ports.partition(",")[0]), STRANGER, folder) as thief:
            kill_hub(hub)
            thief.wait()
            for _ in range(20):
                page = browser.post("/hub/login", {**form.values, "username": "alice", "password": "secret"})
                assert page.status == 503
            watched(hub, thief)


def test_a_new_container_with_a_dead_ones_address_gets_nothing_of_its(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    with running_hub(folder / "root", engine, docker_settings("bridge"), NEVER) as hub:
        alice, bob = hub.browser("alice"), hub.browser("bob")
        address = server_address(hub, alice, "alice")
        with asking(alice, "/user/alice/api", "/user/alice/lab") as answers:
            wait_for_all(answers, "alice", "websocket 101")
            engine.kill(f"{PREFIX}-alice")
            bob.spawn()
            bob.wait("/user/bob/api", lambda page: page.text == "bob")
            answers.clear()
            wait_for_all(answers, "websocket 302")  # the hub has the route now
            wait_for("40 answers", lambda: len(answers) >= 40)
        assert list(records(hub)) == [address], "bob's container has got another address: nothing was tested"
        assert not {"bob", "websocket 101"} & set(answers)
        assert alice.get("/user/alice/").status == 424


def test_twenty_users_at_once_have_twenty_servers_on_the_loopback_and_a_new_hub_finds_them(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    names = [f"user{number:02}" for number in range(20)]
    with running_hub(folder / "root", engine, docker_settings("host")) as hub:
        with ThreadPoolExecutor(len(names)) as pool:
            browsers = dict(zip(names, pool.map(hub.browser, names), strict=True))
            pages = list(pool.map(lambda name: browsers[name].spawn(), names))
            assert {page.status for page in pages} == {200}
            list(pool.map(lambda name: browsers[name].wait(f"/user/{name}/api", lambda p: p.text == name, 120), names))
        assert len(hub.containers()) == 20
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ports = {int(address.split(":")[1]) for address in records(hub)}
        assert len(ports) == 20
        bound = {row[1] for row in listening if row[3] == "0A" and int(row[1].split(":")[1], 16) in ports}
        assert {address.split(":")[0] for address in bound} == {"0100007F"}, "each listens on 127.0.0.1 alone"
        before = records(hub)
        hub.restart()
        for name, browser in browsers.items():
            assert browser.wait(f"/user/{name}/api", lambda page: page.status == 200).text == name
        assert records(hub) == before
        assert len(hub.containers()) == 20


def test_records_that_were_lost_with_the_run_folder_are_made_again(
    engine: docker.APIClient, image: str, folder: Path
) -> None:
    with running_hub(folder / "root", engine, docker_settings("host")) as hub:
        alice = hub.browser("alice")
        server_address(hub, alice, "alice")
        before = records(hub)
        hub.root.hubctl("stop")
        shutil.rmtree(hub.root.path / "run/jupyterhub/servers")
        hub.start()
        assert alice.wait("/user/alice/api", lambda page: page.status == 200).text == "alice"
        assert records(hub) == before
        assert (hub.root.path / "run/jupyterhub/servers").stat().st_mode & 0o777 == 0o700
