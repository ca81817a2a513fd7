"""A hub as its users and its administrator meet it: the login form, what `hubctl status` and `doctor` say."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from conftest import HubUser, ServerRoot

from tests.waiting import wait_for

ROOT_USER = HubUser("root", 0, 0)

Told = list[tuple[str, str, str]]


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


def told_about(root: ServerRoot, name: str) -> Told:
    """What `hubctl doctor` tells of a subject: how bad it is, what was found, how to mend it."""
    told = json.loads(root.hubctl("doctor", "--json").stdout)
    return [(entry["state"], entry["found"], entry["mend"]) for entry in told if entry["name"] == name]


def children(pid: object) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in listed.stdout.split()]


def proxy_and_culler(hub: object) -> list[int]:
    wait_for("a proxy and an idle culler", lambda: len(children(hub)) == 2)
    return children(hub)


LISTENER = """\
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(600)
"""


@contextmanager
def another_program_at_its_port(root: ServerRoot) -> Iterator[subprocess.Popen[bytes]]:
    """One of the hub's user that listens where browsers would find the hub."""
    command = root.user.wrap(sys.executable, "-c", LISTENER, str(root.port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/") as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
