"""hubctl against a real hub with a real proxy, run as an ordinary user below a root of its own."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
import websocket
from conftest import HubUser, ServerRoot
from hub_support import ROOT_USER, browser, log_in, password, status

from tests.waiting import is_running, wait_for


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


def test_every_file_that_the_pages_and_their_style_sheets_name_is_there(hub: ServerRoot) -> None:
    """Icons are letters of a font, which a style sheet names that another one names."""
    session, todo, seen = browser(hub), [f"{hub.url}/hub/login"], dict[str, bool]()
    while todo:
        url = todo.pop()
        answer = session.get(url)
        seen[url] = answer.ok
        if answer.headers["Content-Type"].startswith(("text/html", "text/css")):
            named = re.findall(r"""(?:@import\s*["']|url\(["']?|(?:src|href)=")([^"')?]+)""", answer.text)
            found = {urljoin(url, name) for name in named if not name.startswith(("data:", "#"))}
            todo += [name for name in sorted(found) if "/static/" in name and name not in seen]
    assert [url for url, is_there in seen.items() if not is_there] == []
    assert [url for url in seen if url.endswith("/fa-solid-900.woff2")]


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
    assert re.search(r"^hub: runs \(process \d+\) since \d{4}-\d\d-\d\d \d\d:\d\d$", done.stdout, re.M)
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


def test_logs_in_a_file_have_no_colours(hub: ServerRoot) -> None:
    """Neither the hub's nor its proxy's lines."""
    log = hub.read_log()
    assert "[ConfigProxy] info: " in log
    assert "\x1b" not in log


def test_logs_follow(hub: ServerRoot, tmp_path: Path) -> None:
    command = hub.user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", hub.path, "logs", "-f", "-n", "1")
    shown = tmp_path / "shown"
    with shown.open("wb") as file, subprocess.Popen(command, stdout=file, cwd="/") as process:
        try:
            wait_for("the last line", shown.read_text)
            browser(hub).get(f"{hub.url}/hub/login?followed")
            wait_for("the line that came after it", lambda: "followed" in shown.read_text())
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


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("port: 8000\n", []),
        (
            "limits:\n  memory: 4\nprot: 1\n",
            [
                (2, "limits.memory", "expected a memory size with its unit (k, m, g, t) such as 512m or 2g, got 4"),
                (3, "prot", "unknown key, did you mean port?"),
            ],
        ),
        ("- port\n", [(1, "", "expected keys and values (`port: 8000`), got CommentedSeq")]),
        ("port: [\n", [(2, "", "not valid YAML: expected the node content, but found '<stream end>'")]),
    ],
)
def test_mistakes_in_settings_are_read_by_programs(
    server_root: ServerRoot, text: str, mistakes: list[tuple[int, str, str]]
) -> None:
    server_root.settings.write_text(text)
    done = server_root.hubctl("config", "validate", "--json")
    told = [{"line": line, "key": key, "text": text} for line, key, text in mistakes]
    assert json.loads(done.stdout) == {"file": str(server_root.settings), "mistakes": told}
    assert (done.returncode, done.stderr) == (1 if mistakes else 0, "")


def test_what_setup_would_do_is_read_by_programs(server_root: ServerRoot) -> None:
    done = server_root.hubctl("setup", "--check", "--json")
    states = {step["name"]: step["state"] for step in json.loads(done.stdout)}
    assert (done.returncode, states["settings"]) == (1, "missing")
    assert server_root.hubctl("setup", "--json").returncode == 2


def test_whoever_may_not_look_reads_one_line(server_root: ServerRoot) -> None:
    server_root.log.touch()
    server_root.settings.chmod(0o640)
    for command in ("status", "logs", "restore /dev/null", "config set port 8001", "cert check"):
        done = server_root.hubctl_as(HubUser("daemon", 1, 1), *command.split())
        assert done.returncode == 1, command
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Permission denied: run this as root" in done.stderr


@pytest.mark.parametrize(
    ("words", "said", "command"),
    [
        ("stat", "No such command 'stat'. Did you mean 'start', 'status', 'restart'?", "hubctl"),
        ("config sett", "No such command 'sett'. Did you mean 'set', 'unset'?", "hubctl config"),
        ("--nonsense", "No such option: --nonsense.", "hubctl"),
        ("cert install", "Missing argument 'KEY'.", "hubctl cert install"),
        ("rollback --to", "Option '--to' requires an argument.", "hubctl"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line_where_the_rest_is_on_a_terminal_too(
    server_root: ServerRoot, words: str, said: str, command: str
) -> None:
    ours, theirs = pty.openpty()
    typed = server_root.user.wrap(sys.executable, "-B", "-m", "hubctl", *words.split())
    done = subprocess.run(typed, stdout=theirs, stderr=subprocess.PIPE, text=True, cwd="/")
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, done.stderr) == (2, f"hubctl: {said} `{command} --help` shows what there is\n")


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
    assert interrupted.stderr == b"hubctl: interrupted\n"
