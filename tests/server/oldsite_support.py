"""A hub of the old shape: JupyterHub 1.x, set up by hand."""

import hashlib
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ServerRoot, make_server_root, self_signed
from hub_support import ROOT_USER
from hubctl.layout import Layout
from hubctl.oldsite import oldhub, plan

SHIPPED = Path(__file__).parents[2] / "config/hub.yaml"

OLD_TOKEN = "0123456789abcdef0123456789abcdef"
"""An API token of bob's, which the old database knows."""

SECRETS = ("Tr0ub4dor&3", "r3alm-s3cret", "c00kie-s3cret", "pr0xy-t0ken", "s3rvice-t0ken")
"""Stand in the old configuration; nobody may read them anywhere else."""

CONFIG = '''\
# Configuration file for jupyterhub. As such files grow.
import os
import subprocess
import sys

from jupyterhub.auth import Authenticator
from tornado import gen

BASE = os.path.dirname(os.path.abspath(__file__))
REALM = "HUBFORGE.TEST"
SERVICE_PASSWORD = "Tr0ub4dor&3"
REALM_ADMIN_PASSWORD = "r3alm-s3cret"


class KDBAuthenticator(Authenticator):
    """Logs in against the KDC."""

    @gen.coroutine
    def authenticate(self, handler, data):
        command = "echo -n '%s' | kinit %s@%s" % (data["password"], data["username"], "HUBFORGE.TEST")
        if subprocess.call(command, shell=True) == 0:
            return data["username"]


c = get_config()
c.JupyterHub.ip = "127.0.0.1"
c.JupyterHub.port = {port}
c.JupyterHub.ssl_key = os.path.join(BASE, "ssl", "hub.key")
c.JupyterHub.ssl_cert = "{{}}/ssl/hub.crt".format(BASE)
c.JupyterHub.cookie_secret = b"c00kie-s3cret"
c.JupyterHub.proxy_auth_token = "pr0xy-t0ken"
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.authenticator_class = KDBAuthenticator
c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.JupyterHub.hub_ip = os.environ.get("HUB_IP", "0.0.0.0")

c.Authenticator.admin_users = admins = {{"alice"}}
c.Authenticator.whitelist = users = set(["alice", "bob"])
users.add("eve")

c.DockerSpawner.image = "site/spark:3"
c.DockerSpawner.image_whitelist = {{"Plain Python": "site/python:7", "Spark": "site/spark:3"}}
c.DockerSpawner.extra_host_config = {{"network_mode": "host"}}
c.DockerSpawner.volumes = {{
    "/home/{{username}}": "/home/jovyan/work",
    "/shared": {{"bind": "/shared", "mode": "rw"}},
    "/etc/passwd": {{"bind": "/etc/passwd", "mode": "ro"}},
}}
c.DockerSpawner.read_only_volumes["/opt/cloudera/parcels"] = "/opt/cloudera/parcels"
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 1.5
c.DockerSpawner.remove_containers = True
c.DockerSpawner.environment = {{"HIVE_PASSWORD": SERVICE_PASSWORD}}

if os.path.exists("/etc/krb5.keytab"):
    c.Authenticator.auto_login = True

c.JupyterHub.services = [
    {{"name": "cull-idle", "admin": True, "command": [sys.executable, "cull_idle_servers.py", "--timeout=7200"]}},
    {{"name": "reports", "api_token": "s3rvice-t0ken", "url": "http://127.0.0.1:9999"}},
]
'''


@dataclass(frozen=True)
class OldHub:
    """The environment that it was installed in."""

    prefix: Path

    @property
    def config(self) -> Path:
        return self.prefix / "jupyterhub_config.py"

    def configure(self, text: str) -> None:
        self.config.write_text(text)

    def content(self) -> dict[str, tuple[str, int, int]]:
        """Every file and folder: its bytes, mode, and when it was changed last."""
        found = {}
        for path in [self.prefix, *self.prefix.rglob("*")]:
            data = path.read_bytes() if path.is_file() else b""
            state = path.stat()
            found[str(path)] = (hashlib.sha256(data).hexdigest(), state.st_mode, state.st_mtime_ns)
        return found


def make_old_hub(prefix: Path, port: int) -> OldHub:
    """Lays one out, which does not run."""
    (prefix / "ssl").mkdir(parents=True)
    (prefix / "bin").mkdir()
    self_signed(prefix / "ssl")
    with closing(sqlite3.connect(prefix / "jupyterhub.sqlite")) as database:
        database.executescript(Path(__file__).with_name("jupyterhub-1.5.sql").read_text())
    (prefix / "jupyterhub_cookie_secret").write_text("c00kie-s3cret\n")
    (prefix / "jupyterhub_cookie_secret").chmod(0o600)
    old = OldHub(prefix)
    old.configure(CONFIG.format(port=port))
    return old


def install(root: ServerRoot) -> None:
    """As the installer leaves it, with ports of its own, and one setting of the administrator's."""
    own = root.settings.read_text().splitlines()
    ports = next(line for line in own if line.startswith("internal_ports"))
    text = SHIPPED.read_text().partition("internal_ports:")[0].replace("memory: 4g", "memory: 8g")
    root.settings.write_text(f"{text}{ports}\n")


@dataclass
class Pair:
    """A server as the installer leaves it, and an old hub."""

    root: ServerRoot
    old: OldHub

    @property
    def layout(self) -> Layout:
        return Layout(self.root.path)

    def migrate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.root.hubctl_as(ROOT_USER, "migrate", "--from", str(self.old.prefix), *arguments)

    def plan(self) -> plan.Plan:
        """As the command makes it, in this process."""
        work = Path(tempfile.mkdtemp(dir=self.old.prefix.parent))
        return plan.make(oldhub.find(self.old.prefix, None), self.layout, work)

    def persons(self) -> str:
        return "\n".join(f"{person.line} {person.what}: {person.do}" for person in self.plan().persons)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A server of ours that is set up, and an old hub beside it."""
    path = Path(tempfile.mkdtemp(prefix="hubforge-test-", dir="/tmp"))
    (path / "root").mkdir()
    root = make_server_root(path / "root", ROOT_USER)
    install(root)
    yield Pair(root, make_old_hub(path / "old", root.port))
    shutil.rmtree(path)
