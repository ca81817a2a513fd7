"""hubctl against a real hub with a real proxy, run as an ordinary user below a root of its own."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import websocket
from conftest import HubUser, ServerRoot
from hubctl.layout import hub_config

from tests.waiting import is_running, wait_for

ROOT_USER = HubUser("root", 0, 0)


def browser(root: ServerRoot) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy or a CA bundle of the machine has no say here
    session.verify = str(root.certificate)
    return session


def log_in(root: ServerRoot, user: str, password: str) -> tuple[requests.Session, requests.Response]:
    """Fills in the login form as a browser does."""
    session = browser(root)
    page = session.get(f"{root.url}/hub/login")
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert token
    form = {"username": user, "password": password, "_xsrf": token[1]}
    return session, session.post(f"{root.url}/hub/login", data=form)


def password(root: ServerRoot) -> str:
    return (root.path / "var/lib/jupyterhub/shared_password").read_text().strip()


def status(root: ServerRoot) -> dict[str, object]:
    found = json.loads(root.hubctl("status", "--json").stdout)
    assert isinstance(found, dict)
    return found


def children(pid: object) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in listed.stdout.split()]


def proxy_and_culler(hub: object) -> list[int]:
    wait_for("a proxy and an idle culler", lambda: len(children(hub)) == 2)
    return children(hub)


def stranger(user: HubUser) -> subprocess.Popen[bytes]:
    """A process that has nothing to do with the hub, of the same user."""
    return subprocess.Popen(user.wrap("sleep", "600"), cwd="/")


@pytest.fixture(scope="module")
def hub(module_root: ServerRoot) -> ServerRoot:
    """A running hub."""
    done = module_root.hubctl("start")
    assert done.returncode == 0, done.stderr
    assert module_root.url in done.stdout
    assert str(module_root.path / "var/lib/jupyterhub/shared_password") in done.stdout
    return module_root


@pytest.fixture(scope="module")
def analyst(hub: ServerRoot) -> requests.Session:
    """Somebody who has logged in and whose server runs."""
    session, page = log_in(hub, "alice", password(hub))
    assert page.ok, page.text
    session.get(f"{hub.url}/hub/spawn/alice")
    wait_for("alice's server", lambda: session.get(f"{hub.url}/user/alice/api").ok)
    session.get(f"{hub.url}/user/alice/lab").raise_for_status()  # the server's own cookie comes with its first page
    return session


def test_a_user_who_logs_in_reaches_jupyterlab(hub: ServerRoot, analyst: requests.Session) -> None:
    answer = analyst.get(f"{hub.url}/user/alice/api/status")
    assert answer.status_code == 200
    assert "kernels" in answer.json()
    page = analyst.get(f"{hub.url}/user/alice/")
    assert page.url == f"{hub.url}/user/alice/lab"
    assert "JupyterLab" in page.text


def xsrf(session: requests.Session) -> dict[str, str]:
    return {"X-XSRFToken": session.cookies.get("_xsrf", path="/user/alice/") or ""}


def test_a_users_files_are_below_the_hubs_state_and_not_roots(hub: ServerRoot, analyst: requests.Session) -> None:
    url = f"{hub.url}/user/alice/api/contents"
    answer = analyst.post(url, json={"type": "file", "ext": ".txt"}, headers=xsrf(analyst))
    assert answer.status_code == 201, answer.text
    made = hub.path / "var/lib/jupyterhub/homes/alice" / answer.json()["name"]
    assert made.stat().st_uid == hub.user.uid != 0


def test_a_users_cell_computes(hub: ServerRoot, analyst: requests.Session) -> None:
    url = f"{hub.url}/user/alice/api/kernels"
    kernel = analyst.post(url, json={"name": "python3"}, headers=xsrf(analyst)).json()["id"]
    cookies = analyst.cookies.get_dict(path="/user/alice/") | analyst.cookies.get_dict(path="/")
    channel = websocket.create_connection(
        f"{url.replace('https', 'wss')}/{kernel}/channels",
        sslopt={"ca_certs": str(hub.certificate)},
        header={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        timeout=120,
    )
    content = {"code": "6 * 7", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": "alice", "version": "5.3"}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channel.send(json.dumps(request))
    while (message := json.loads(channel.recv()))["msg_type"] != "execute_result":
        assert message["msg_type"] != "error", message
    channel.close()
    assert message["content"]["data"]["text/plain"] == "42"


def test_a_wrong_password_is_refused(hub: ServerRoot) -> None:
    _, page = log_in(hub, "mallory", "wrong")
    assert page.status_code == 403
    assert "Invalid username or password" in page.text


def test_status_shows_processes_servers_and_versions(hub: ServerRoot, analyst: requests.Session) -> None:
    found = status(hub)
    assert found["answers"] is True
    assert is_running(int(str(found["hub_pid"])))
    assert is_running(int(str(found["proxy_pid"])))
    assert isinstance(found["servers"], list)
    assert [(server["user"], server["ready"]) for server in found["servers"]] == [("alice", True)]
    assert found["certificate_days"] in (29, 30)
    assert isinstance(found["versions"], dict)
    assert found["versions"]["jupyterhub"]


def test_status_for_people_has_no_colours_in_a_pipe(hub: ServerRoot) -> None:
    done = hub.hubctl("status")
    assert done.returncode == 0
    assert re.search(r"^hub: runs \(process \d+\)$", done.stdout, re.M)
    assert "\x1b" not in done.stdout


def test_a_second_start_says_that_the_hub_runs(hub: ServerRoot) -> None:
    before = status(hub)["hub_pid"]
    done = hub.hubctl("start")
    assert done.returncode == 0
    assert f"runs already (process {before})" in done.stdout
    assert status(hub)["hub_pid"] == before


def test_logs_show_the_last_lines(hub: ServerRoot) -> None:
    hub.read_log()  # nothing more is on its way
    done = hub.hubctl("logs", "-n", "3")
    assert done.returncode == 0
    assert done.stdout.splitlines() == hub.log.read_text().splitlines()[-3:]


def test_logs_follow(hub: ServerRoot) -> None:
    command = hub.user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", hub.path, "logs", "-f", "-n", "1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout
        process.stdout.readline()
        browser(hub).get(f"{hub.url}/hub/login?followed")
        try:
            assert any("followed" in line for line in process.stdout)
        finally:
            process.terminate()


def test_secrets_are_in_no_command_line_and_no_log(hub: ServerRoot, analyst: requests.Session) -> None:
    state = hub.path / "var/lib/jupyterhub"
    names = ("shared_password", "proxy_token", "hubctl_token", "cookie_secret")
    secrets = [(state / name).read_text().strip() for name in names]
    seen = [hub.read_log().encode()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # processes end
            seen.append(path.read_bytes())
    for name, secret in zip(names, secrets, strict=True):
        assert not any(secret.encode() in text for text in seen), name
    environment = Path(f"/proc/{status(hub)['hub_pid']}/environ").read_bytes()
    assert not any(secret.encode() in environment for secret in secrets)


def test_secrets_and_log_are_the_owners_alone(hub: ServerRoot) -> None:
    for path in (hub.path / "var/lib/jupyterhub").iterdir():
        if path.suffix != ".sqlite":
            assert path.stat().st_mode & 0o077 == 0, path
    assert hub.log.stat().st_mode & 0o007 == 0


def test_a_hub_that_runs_is_not_started_twice_by_two_starts_at_once(server_root: ServerRoot) -> None:
    command = [sys.executable, "-B", "-m", "hubctl", "--root", str(server_root.path), "start"]
    starts = [
        subprocess.Popen(server_root.user.wrap(*command), stdout=subprocess.PIPE, text=True, cwd="/") for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in starts]
    assert [process.returncode for process in starts] == [0, 0]
    assert sum("runs already" in text for text in said) == 1


def test_stop_ends_hub_proxy_and_local_servers_and_nothing_else(server_root: ServerRoot) -> None:
    bystander = stranger(server_root.user)
    try:
        assert server_root.hubctl("start").returncode == 0
        session, _ = log_in(server_root, "bob", password(server_root))
        session.get(f"{server_root.url}/hub/spawn/bob")
        wait_for("bob's server", lambda: session.get(f"{server_root.url}/user/bob/api").ok)
        found = status(server_root)
        wait_for("proxy, idle culler, bob's server", lambda: len(children(found["hub_pid"])) == 3)
        owned = children(found["hub_pid"])
        done = server_root.hubctl("stop")
        assert (done.returncode, done.stdout) == (0, "The hub was stopped.\n")
        assert not any(map(is_running, [*owned, int(str(found["hub_pid"]))]))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    done = server_root.hubctl("status")
    assert done.returncode == 3
    assert "hub: does not run" in done.stdout
    done = server_root.hubctl("stop")
    assert (done.returncode, done.stdout) == (0, "The hub does not run.\n")


def test_a_killed_hub_is_started_again_and_what_it_has_left_is_ended(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    before = status(server_root)
    left = proxy_and_culler(before["hub_pid"])
    os.kill(int(str(before["hub_pid"])), signal.SIGKILL)
    wait_for("the hub's end", lambda: not is_running(int(str(before["hub_pid"]))))
    assert all(map(is_running, left))
    done = server_root.hubctl("start")
    assert done.returncode == 0, done.stderr
    after = status(server_root)
    assert after["hub_pid"] != before["hub_pid"]
    assert not any(map(is_running, left))


@pytest.fixture
def bystander(hub_user: HubUser) -> Iterator[subprocess.Popen[bytes]]:
    process = stranger(hub_user)
    yield process
    process.kill()
    process.wait()


def test_a_stale_pid_file_whose_number_is_in_use_again_fools_nobody(
    server_root: ServerRoot, bystander: subprocess.Popen[bytes]
) -> None:
    runtime = server_root.path / "run/jupyterhub"
    runtime.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (runtime / "hub.pid").write_text(f"{bystander.pid}\n1\n{boot}\n")
    (runtime / "proxy.pid").write_text(str(bystander.pid))
    for path in (runtime.parent, runtime, *runtime.iterdir()):
        os.chown(path, server_root.user.uid, server_root.user.gid)
    assert "does not run" in server_root.hubctl("stop").stdout
    (runtime / "proxy.pid").write_text(str(bystander.pid))
    assert server_root.hubctl("status").returncode == 3
    done = server_root.hubctl("start")
    assert done.returncode == 0, done.stderr
    assert bystander.poll() is None
    assert server_root.hubctl("stop").returncode == 0
    assert bystander.poll() is None


def test_a_port_that_is_taken_is_named(server_root: ServerRoot) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", server_root.port))
        other.listen()
        done = server_root.hubctl("start")
    assert done.returncode == 1
    assert done.stderr == (
        f"hubctl: Port {server_root.port} is taken by another program: "
        "`hubctl doctor` says which; end it, or change `port` in hub.yaml\n"
    )
    assert server_root.hubctl("status").returncode == 3


def test_a_hub_that_fails_shows_its_last_words(server_root: ServerRoot) -> None:
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-site.py").write_text("\nc.JupyterHub.nothing = no_such_name\n")
    done = server_root.hubctl("start")
    assert done.returncode == 1
    assert "The hub ended with exit code 1" in done.stderr
    assert f"{folder}/10-site.py:2: NameError" in done.stderr
    assert "Traceback" not in done.stderr
    assert server_root.hubctl("status").returncode == 3


def test_wrong_settings_are_told_before_anything_starts(server_root: ServerRoot) -> None:
    server_root.settings.write_text(server_root.settings.read_text() + "spwaner: docker\n")
    for command in (["start"], ["status"], ["config", "validate"], ["config", "show"]):
        done = server_root.hubctl(*command)
        assert done.returncode == 1, command
        assert "hub.yaml:6: spwaner: unknown key, did you mean spawner?" in done.stderr
        assert "Traceback" not in done.stderr
    assert not server_root.log.exists()


@pytest.mark.parametrize("killed", [False, True], ids=["a hub that runs", "the proxy of a killed hub"])
def test_broken_settings_keep_nothing_running(server_root: ServerRoot, killed: bool) -> None:
    assert server_root.hubctl("start").returncode == 0
    found = status(server_root)
    hub = int(str(found["hub_pid"]))
    left = proxy_and_culler(hub)
    if killed:
        os.kill(hub, signal.SIGKILL)
        wait_for("the hub's end", lambda: not is_running(hub))
    server_root.settings.write_text("auth: [\n")
    done = server_root.hubctl("stop")
    assert (done.returncode, done.stdout) == (0, "The hub was stopped.\n"), done.stderr
    assert not any(map(is_running, [hub, *left]))


def test_the_proxy_of_another_hub_of_the_same_prefix_is_left_alone(hub: ServerRoot, server_root: ServerRoot) -> None:
    runtime = server_root.path / "run/jupyterhub"
    runtime.mkdir(parents=True)
    (runtime / "proxy.pid").write_text(str(status(hub)["proxy_pid"]))
    done = server_root.hubctl_as(ROOT_USER, "stop")
    assert (done.returncode, done.stdout) == (0, "The hub does not run.\n"), done.stderr
    assert status(hub)["answers"]


def test_settings_in_force_are_shown_as_a_file_that_is_valid(server_root: ServerRoot) -> None:
    done = server_root.hubctl("config", "show")
    assert done.returncode == 0
    assert f"port: {server_root.port}" in done.stdout
    assert "memory: 4g" in done.stdout
    server_root.settings.write_text(done.stdout)
    assert server_root.hubctl("config", "validate").returncode == 0
    assert server_root.hubctl("config", "show").stdout == done.stdout


def test_root_is_refused_with_a_shared_password_and_local_servers(server_root: ServerRoot) -> None:
    done = server_root.hubctl_as(ROOT_USER, "start")
    assert done.returncode == 1
    assert "would run notebooks as root" in done.stderr
    assert "ordinary user" in done.stderr


def test_a_big_log_is_put_aside_at_the_next_start(server_root: ServerRoot) -> None:
    with server_root.log.open("wb") as log:
        log.truncate(11 * 1024**2)
    os.chown(server_root.log, server_root.user.uid, server_root.user.gid)
    assert server_root.hubctl("start").returncode == 0
    assert server_root.log.with_name("jupyterhub.log.1").stat().st_size == 11 * 1024**2
    assert server_root.log.stat().st_size < 1024**2


def test_start_in_the_foreground_is_the_hub_itself(server_root: ServerRoot) -> None:
    command = [sys.executable, "-B", "-m", "hubctl", "--root", str(server_root.path), "start", "--foreground"]
    with subprocess.Popen(server_root.user.wrap(*command), stderr=subprocess.DEVNULL, cwd="/") as process:
        wait_for("an answer", lambda: status(server_root)["answers"])
        assert status(server_root)["hub_pid"] == process.pid
        assert server_root.hubctl("stop").returncode == 0
        process.wait(timeout=30)


def by_hand(root: ServerRoot) -> list[str]:
    """The command line of somebody who starts the hub as JupyterHub's own manual says."""
    return root.user.wrap(sys.executable, "-B", "-m", "jupyterhub", "--config", hub_config())


def test_a_hub_that_was_started_as_jupyterhub_is_known_and_ended_as_any_other(server_root: ServerRoot) -> None:
    elsewhere = {"env": {**os.environ, "HUBFORGE_ROOT": str(server_root.path)}, "cwd": "/", "text": True}
    command = by_hand(server_root)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **elsewhere) as process:  # type: ignore[call-overload]
        wait_for("an answer", lambda: status(server_root)["answers"])
        owned = proxy_and_culler(process.pid)
        assert status(server_root)["hub_pid"] == process.pid
        second = subprocess.run(command, stderr=subprocess.PIPE, **elsewhere)  # type: ignore[call-overload]
        assert (second.returncode, f"another hub runs already (process {process.pid})" in second.stderr) == (1, True)
        assert all(map(is_running, owned)), "the second one left the first one's proxy alone"
        assert "runs already" in server_root.hubctl("start").stdout
        refused = server_root.hubctl("restore", "--yes", "/dev/null")
        assert (refused.returncode, "The hub runs" in refused.stderr) == (1, True)
        assert server_root.hubctl("stop").stdout == "The hub was stopped.\n"
        process.wait(timeout=30)
    assert not any(map(is_running, owned))


def test_whoever_may_not_look_reads_one_line(server_root: ServerRoot) -> None:
    server_root.log.touch()
    server_root.settings.chmod(0o640)
    for command in ("status", "logs", "restore /dev/null", "config set port 8001", "cert check"):
        done = server_root.hubctl_as(HubUser("daemon", 1, 1), *command.split())
        assert done.returncode == 1, command
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Permission denied: run this as root" in done.stderr


CTRL_C = """
import os, signal, sys
from hubctl import cli, status
status.gather = lambda *_: os.kill(os.getpid(), signal.SIGINT)
sys.argv[1:] = ["--root", sys.argv[1], "status"]
cli.main()
"""
"""`hubctl status` that gets ctrl-C while it looks."""


def test_the_exit_codes_are_in_the_help_and_are_those_that_it_ends_with(server_root: ServerRoot) -> None:
    said = " ".join(server_root.hubctl("--help").stdout.split())
    server_root.path.joinpath("var/lib/jupyterhub/kernels").touch()  # where a step makes a folder
    interrupted = subprocess.run([sys.executable, "-B", "-c", CTRL_C, str(server_root.path)], capture_output=True)
    codes = {
        "1 failed, one line says why": server_root.hubctl("restore", "/dev/null").returncode,
        "2 wrong usage": server_root.hubctl("no-such-command").returncode,
        "3 (status) the hub does not run": server_root.hubctl("status").returncode,
        "5 (setup, rollback, cert self-signed) a step on the host failed": server_root.hubctl("setup").returncode,
        "130 ctrl-C": interrupted.returncode,
    }
    assert {words: int(words.split()[0]) for words in codes} == codes
    assert [words for words in codes if words not in said] == []
    assert b"Traceback" not in interrupted.stderr
