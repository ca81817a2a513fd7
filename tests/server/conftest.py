"""Tests that run in an environment made from our own channel (or one that has the same packages)."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.ports import free_ports
from tests.waiting import wait_for


@dataclass(frozen=True)
class HubUser:
    """Whom hubs of tests run as: nobody where the tests run as root, else whoever runs the tests."""

    name: str
    uid: int
    gid: int

    def wrap(self, *command: str | Path) -> list[str]:
        """The command line that runs ``command`` as this user."""
        words = [str(word) for word in command]
        if os.geteuid() == self.uid:
            return words
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--", *words]


@dataclass(frozen=True)
class ServerRoot:
    """A folder that stands for a server's ``/``, as ``hubctl setup`` leaves it."""

    path: Path
    user: HubUser
    port: int

    @property
    def settings(self) -> Path:
        return self.path / "etc/jupyterhub/hub.yaml"

    @property
    def certificate(self) -> Path:
        return self.path / "etc/jupyterhub/ssl/hub.crt"

    @property
    def log(self) -> Path:
        return self.path / "var/log/jupyterhub/jupyterhub.log"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def read_log(self) -> str:
        """What the hub has logged up to now.

        The log's writer is a process of its own, which may be late: a line that we cause is awaited first. A hub that
        does not run causes none.
        """
        address = f"{self.url}/hub/up-to-here-{uuid.uuid4().hex}"
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(address, verify=str(self.certificate), timeout=60)
            if answer.status_code == 404:  # else it is not the hub that answers
                wait_for("the log's writer", lambda: address.rpartition("/")[2] in self.log.read_text())
        return self.log.read_text()

    @property
    def surroundings(self) -> list[str]:
        """A command that runs the command after it where this root is at home."""
        return []

    def hubctl(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs hubctl on this root as the hub's user, with next to nothing in the environment."""
        return self.hubctl_as(self.user, *arguments, timeout=timeout)

    def hubctl_as(self, user: HubUser, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.path), "LANG": "C.UTF-8"}
        environment |= {name: os.environ[name] for name in ("PYTHONPATH", "DOCKER_HOST") if name in os.environ}
        command = user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", self.path, *arguments)
        return subprocess.run(
            [*self.surroundings, *command], env=environment, capture_output=True, text=True, timeout=timeout, cwd="/"
        )


def self_signed(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
    """Writes ``hub.key`` and ``hub.crt``."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-days", "30", "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    files = ["-keyout", str(folder / "hub.key"), "-out", str(folder / "hub.crt")]
    subprocess.run([*request, *subject, *files], check=True, capture_output=True)
    (folder / "hub.key").chmod(0o600)


def make_server_root(path: Path, user: HubUser) -> ServerRoot:
    """Lays out what ``hubctl setup`` would."""
    port, hub, proxy_api = free_ports(3)
    for folder, mode in (("etc/jupyterhub/ssl", 0o700), ("var/lib/jupyterhub", 0o700), ("var/log/jupyterhub", 0o750)):
        (path / folder).mkdir(parents=True)
        (path / folder).chmod(mode)
    self_signed(path / "etc/jupyterhub/ssl")
    root = ServerRoot(path, user, port)
    root.settings.write_text(
        "auth: shared-password\nspawner: local\nbind: 127.0.0.1\n"
        f"port: {port}\ninternal_ports: {{hub: {hub}, proxy_api: {proxy_api}}}\n"
    )
    for entry in [path, *path.rglob("*")]:
        os.chown(entry, user.uid, user.gid)
    return root


@pytest.fixture(scope="session")
def hub_user() -> HubUser:
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    user = HubUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if subprocess.run(user.wrap(sys.executable, "-c", ""), capture_output=True, cwd="/").returncode:
        pytest.fail(f"{user.name} can't run {sys.executable}: these tests need an environment that everybody can read")
    return user


@pytest.fixture
def bystander(hub_user: HubUser) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the hub's user that has nothing to do with the hub."""
    process = subprocess.Popen(hub_user.wrap("sleep", "600"), cwd="/")
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def module_root(hub_user: HubUser) -> Iterator[ServerRoot]:
    """One root for a module's tests."""
    yield from _root(hub_user)


@pytest.fixture
def server_root(hub_user: HubUser) -> Iterator[ServerRoot]:
    """A root of the test's own."""
    yield from _root(hub_user)


@pytest.fixture
def bare(server_root: ServerRoot) -> Iterator[ServerRoot]:
    """Another server, as `hubctl setup` leaves it: its hub has never run."""
    yield from _root(server_root.user)


def _root(user: HubUser) -> Iterator[ServerRoot]:
    # not below pytest's own folder, which nobody else can enter
    path = Path(tempfile.mkdtemp(prefix="hubforge-test-", dir="/tmp"))
    path.chmod(0o755)
    root = make_server_root(path, user)
    try:
        yield root
    finally:
        if (path / "run/jupyterhub").exists():  # else no hub was started
            root.hubctl("stop")
        shutil.rmtree(path)
