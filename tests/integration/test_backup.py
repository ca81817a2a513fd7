"""A hub's backup on a bare server, fresh from the installer: the same users go on with what they have."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT, PREFIX

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
USER, PASSWORD = "alice", "correct-horse"
FILE = "/srv/hub.tar.gz"

LOG_IN = """
import http.cookiejar, json, sys, urllib.request
sys.path.append("/tests")
import login
session = login.Session("https://localhost:8000")
session.log_in("alice", "correct-horse")
kept = http.cookiejar.LWPCookieJar("/srv/cookies")
for cookie in session.cookies:
    kept.set_cookie(cookie)
kept.save(ignore_discard=True)
xsrf = next(cookie.value for cookie in kept if (cookie.name, cookie.path) == ("_xsrf", "/hub/"))
headers = {"X-XSRFToken": xsrf, "Content-Type": "application/json"}
request = urllib.request.Request(session.base + "/hub/api/users/alice/tokens", b"{}", headers)
print(json.load(session._open(request))["token"])
"""
"""Logs in as a browser does, keeps the cookies, and makes a token."""

GO_ON = """
import http.cookiejar, json, sys, urllib.request
sys.path.append("/tests")
import login
session = login.Session("https://localhost:8000")
kept = http.cookiejar.LWPCookieJar("/srv/cookies")
kept.load(ignore_discard=True)
for cookie in kept:
    session.cookies.set_cookie(cookie)
assert session.open("/hub/home").url.endswith("/hub/home"), "the cookie is not good: the hub asks for the password"
assert '"user_name":' in session.get("/hub/home") or "alice" in session.get("/hub/home")
stranger = login.Session(session.base)
request = urllib.request.Request(session.base + "/hub/api/user", headers={"Authorization": "token " + sys.argv[1]})
print(json.load(stranger._open(request))["name"], session.start_server("alice"))
"""
"""The same browser, with its cookies and without its password; and a program with the token alone."""


@contextmanager
def server(installer: Path) -> Iterator[Container]:
    """A server without network on which the installer has run, with an account who may log in."""
    mounts = {installer.parent: "/dist", Path(__file__).parents[1]: "/tests"}
    with running(base_image("bookworm"), mounts=mounts) as container:
        container.run("bash", f"/dist/{installer.name}", "-b")
        container.shell(f"useradd -m -G jupyterhub {USER}; echo {USER}:{PASSWORD} | chpasswd")
        yield container


@pytest.fixture(scope="module")
def servers(installer: Path) -> Iterator[tuple[Container, Container]]:
    """One whose hub has been in use, and a bare one."""
    with server(installer) as old, server(installer) as bare:
        yield old, bare


def carry(old: Container, bare: Container, path: str) -> None:
    """As an administrator would, on a stick."""
    packed = subprocess.run(["docker", "cp", f"{old.id}:{path}", "-"], check=True, capture_output=True).stdout
    subprocess.run(["docker", "cp", "-", f"{bare.id}:{Path(path).parent}"], check=True, input=packed)


def test_restored_hub_is_the_same_for_its_users(servers: tuple[Container, Container]) -> None:
    old, bare = servers
    old.shell(f"{HUBCTL} config set named_servers 2; {HUBCTL} admin add eve; {HUBCTL} cert self-signed; {HUBCTL} start")
    old.shell("echo 'c.JupyterHub.shutdown_on_logout = True' >/etc/jupyterhub/jupyterhub_config.d/10-site.py")
    token = old.run(f"{ENVIRONMENT}/bin/python", "-B", "-c", LOG_IN).stdout.strip()
    old.shell(f"{HUBCTL} backup {FILE}")  # while it runs
    assert old.shell(f"stat -c %a {FILE}") == "600\n"
    for path in (FILE, "/srv/cookies"):
        carry(old, bare, path)

    bare.shell(f"{HUBCTL} restore {FILE}; {HUBCTL} setup; {HUBCTL} start")

    said = bare.run(f"{ENVIRONMENT}/bin/python", "-B", "-c", GO_ON, token).stdout
    assert said.startswith("alice 2."), said
    for command in ("config show", "admin list"):
        assert bare.shell(f"{HUBCTL} {command}") == old.shell(f"{HUBCTL} {command}")
    secrets = "sha256sum /var/lib/jupyterhub/*_secret /var/lib/jupyterhub/*_token /etc/jupyterhub/ssl/hub.*"
    kept = "grep -v 'hub\\.\\(key\\|crt\\)\\.'"  # the pair before on the old server
    assert bare.shell(f"{secrets} | {kept}") == old.shell(f"{secrets} | {kept}")
    modes = "stat -c '%n %a %U:%G' /etc/jupyterhub/hub.yaml /etc/jupyterhub/ssl/hub.??? /var/lib/jupyterhub/*_secret"
    assert bare.shell(modes) == old.shell(modes)
    assert "setup" not in bare.shell(f"{HUBCTL} setup --check >/dev/null || echo setup")


def test_packages_of_both_environments_are_named_in_the_backup(servers: tuple[Container, Container]) -> None:
    old, _ = servers
    for name in ("base", "jupyterhubenv"):
        lock = old.shell(f"tar -xzOf {FILE} locks/{name}.explicit.txt")
        assert lock.count(".conda#") == int(
            old.shell(
                f"ls {PREFIX}/conda-meta/*.json | wc -l"
                if name == "base"
                else f"ls {ENVIRONMENT}/conda-meta/*.json | wc -l"
            )
        )


def test_doctor_finds_nothing_wrong_with_either(servers: tuple[Container, Container]) -> None:
    for one in servers:
        told = json.loads(one.shell(f"{HUBCTL} doctor --json"))
        assert [entry for entry in told if entry["state"] != "ok"] == []
        assert {"processes", "certificate", "disk", "permissions"} <= {entry["name"] for entry in told}


def test_running_hub_is_not_restored_over(servers: tuple[Container, Container]) -> None:
    old, _ = servers
    done = old.run(HUBCTL, "restore", "--yes", FILE, check=False)
    assert (done.returncode, done.stderr.startswith("hubctl: The hub runs")) == (1, True), done.stderr


def test_hubctl_uninstall_removes_the_installation(servers: tuple[Container, Container], installer: Path) -> None:
    _, bare = servers
    said = bare.shell(f"{HUBCTL} uninstall --yes /dist/{installer.name}")
    assert PREFIX in said
    assert bare.shell(f"ls -d {PREFIX} 2>/dev/null || echo gone") == "gone\n"
    assert bare.shell("ls /var/lib/jupyterhub/jupyterhub.sqlite") == "/var/lib/jupyterhub/jupyterhub.sqlite\n"
