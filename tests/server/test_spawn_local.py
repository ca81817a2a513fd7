"""Servers as processes of the host: real ones of Jupyter, and the small program that plays one."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from account_support import UIDS, AccountRoot, make_account_root, owner_and_mode
from hubctl.processes import Process, read_pid_file
from spawn_support import Browser, Hub, fill, open_folder, running_hub, small_run

from tests.waiting import wait_for

pytest_plugins = ["docker_support"]

LOCAL = "auth: pam\nspawner: local\nidle_culler: {enabled: false}\n"
REAL = f"c.LocalProcessSpawner.cmd = [{sys.executable!r}, '-m', 'jupyterhub.singleuser']\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def spawn(hub: Hub, name: str) -> tuple[Browser, Process]:
    """Starts a server of the small program."""
    browser = hub.browser(name)
    browser.spawn()
    browser.wait(f"/user/{name}/api", lambda page: page.text == name)
    process = Process.of(int(browser.shell(name, "echo $PPID")))
    assert process
    return browser, process


def listening_ports(uid: int) -> list[str]:
    """Addresses at which a user's programs listen, as /proc/net/tcp has them."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and int(row[7]) == uid]


def test_a_real_server_has_one_port_of_the_loopback_and_a_kernel_one_for_what_its_children_print(
    engine: docker.APIClient, folder: Path
) -> None:
    # paths of sockets are short, and so is this root's
    with running_hub(folder / "r", engine, LOCAL, REAL, make_account_root) as hub:
        assert isinstance(hub.root, AccountRoot)
        alice = hub.browser("alice")
        alice.spawn()
        alice.wait("/user/alice/lab", lambda page: "JupyterLab" in page.text)
        xsrf = alice.cookies["/user/alice/", "_xsrf"]
        started = alice.request("POST", f"/user/alice/api/kernels?_xsrf={xsrf}", '{"name": "python3"}')
        assert started.status == 201, started.text
        kernel = re.search(r'"id": "([0-9a-f-]+)"', started.text)
        assert kernel
        folder_of_sockets = hub.root.path / f"run/jupyterhub/ipc/{UIDS['alice']}"
        alice.wait("/user/alice/api/kernels", lambda page: bool(list(folder_of_sockets.glob("kernel-*-ipc-*"))))
        # the sticky bit is Jupyter's own
        assert owner_and_mode(folder_of_sockets) == (UIDS["alice"], UIDS["alice"], "0o1700")
        # ipykernel's own; it takes nothing that does not begin with a secret of the kernel
        listening = listening_ports(UIDS["alice"])
        assert len(listening) <= 2, listening
        assert all(address.startswith("0100007F:") for address in listening), "127.0.0.1 and no other address"


def test_twenty_users_at_once_have_twenty_servers_on_the_loopback(engine: docker.APIClient, folder: Path) -> None:
    """Names of `shared-password` need no accounts; such a hub must not run as root, which the test lets it for once."""
    python = "c.JupyterHub.spawner_class = 'hubctl.local.TrialSpawner'\n"
    names = [f"user{number:02}" for number in range(20)]
    with running_hub(folder / "root", engine, LOCAL, python) as hub:
        with ThreadPoolExecutor(len(names)) as pool:
            servers = dict(zip(names, pool.map(lambda name: spawn(hub, name), names), strict=True))
        addresses = [path.name for path in (hub.root.path / "run/jupyterhub/servers").iterdir()]
        assert len({address.split(":")[1] for address in addresses}) == 20
        assert {address.split(":")[0] for address in addresses} == {"127.0.0.1"}
        kill(hub)
        hub.start()
        for name, (browser, process) in servers.items():
            assert browser.wait(f"/user/{name}/api", lambda page: page.status == 200).text == name
            assert process.alive
        hub.root.hubctl("stop")
        assert not [name for name, (_, process) in servers.items() if process.alive], "they end with the hub"


def kill(hub: Hub) -> None:
    process = read_pid_file(hub.root.path / "run/jupyterhub/hub.pid")
    assert process
    process.signal(signal.SIGKILL)


def test_a_process_with_the_number_of_a_dead_server_is_let_alone(engine: docker.APIClient, folder: Path) -> None:
    """The hub was killed, the server too, and its number was given out again, as after a reboot."""
    with running_hub(folder / "root", engine, LOCAL, "", make_account_root) as hub:
        alice, process = spawn(hub, "alice")
        kill(hub)
        process.signal(signal.SIGKILL)
        wait_for("the end of alice's server", lambda: not process.alive)
        number = another_process_with(process.pid)
        try:
            hub.start()
            assert "Start My Server" in alice.get("/hub/home").words
            assert os.waitpid(number, os.WNOHANG) == (0, 0), "it still runs"
        finally:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)


def another_process_with(pid: int) -> int:
    """Starts a process with this number (proc(5), ns_last_pid)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until the one that has ended is forgotten, and nobody else is faster
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        child = os.fork()
        if child == 0:
            signal.pause()
        if child == pid:
            return child
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        time.sleep(0.01)
    raise AssertionError(f"no process could get the number {pid}")


def test_the_page_says_why_a_server_ended(engine: docker.APIClient, folder: Path) -> None:
    with running_hub(folder / "root", engine, LOCAL, "", make_account_root) as hub:
        alice, _ = spawn(hub, "alice")
        alice.get("/user/alice/exit")
        alice.get("/hub/home")
        page = alice.wait("/user/alice/", lambda page: page.status == 424)
        assert "Why it ended: It ended with an error. (exit code 3)" in page.words
        alice, _ = spawn(hub, "alice")
        alice.request("DELETE", f"/hub/api/users/alice/server?_xsrf={alice.cookies['/hub/', '_xsrf']}")
        page = alice.wait("/user/alice/", lambda page: page.status == 424)
        assert "Why it ended" not in page.words, "it was told to"


def test_a_full_run_folder_starts_no_server_and_takes_none_away(engine: docker.APIClient, folder: Path) -> None:
    root = folder / "root"
    with small_run(root) as filler, running_hub(root, engine, LOCAL, "", make_account_root) as hub:
        alice, process = spawn(hub, "alice")
        fill(filler)
        page = hub.browser("bob").spawn()
        assert page.status == 507
        assert "This machine has no space left for what your server needs. Nothing of yours is lost." in page.words
        assert "bob: [Errno 28] No space left on device" in hub.log
        assert listening_ports(UIDS["bob"]) == [], "nothing of it goes on"
        assert alice.get("/user/alice/api").text == "alice"
        assert process.alive
        filler.unlink()
        spawn(hub, "bob")
        assert hub.has_no_traceback()


def test_a_server_that_does_not_start_says_why(engine: docker.APIClient, folder: Path) -> None:
    with running_hub(folder / "root", engine, LOCAL, "", make_account_root) as hub:
        for name, why in {
            "root": "Servers do not run as root. Log in with another account.",
            "nowhere": "There is no account nowhere on this server. Ask the administrator for one.",
        }.items():
            browser = hub.browser(name)
            browser.spawn()
            browser.wait("/hub/home", lambda page: "Start My Server" in page.words)
            assert why in hub.log
        assert "Traceback" not in hub.log
