"""A real hub with our authenticator, and a browser's part of it: cookies, forms, redirects.

No proxy is needed: tests talk to the hub itself. Users' servers are small programs that answer as Jupyter's would.
"""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from jupyterhub_kerberos.programs import Account
from kerberos_support import PASSWORD, REALM, USER

from tests.ports import free_port
from tests.waiting import wait_for

CONFIG = """
import asyncio
import sys
from hubctl.offers import TEMPLATES
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "{kind}"
c.JupyterHub.services = [{{"name": "tests", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "tests", "services": ["tests"], "scopes":
    ["admin:users", "admin:auth_state", "admin:servers"]}}]
c.JupyterHub.allow_named_servers = True
c.JupyterHub.template_paths = [str(TEMPLATES)]
c.Authenticator.enable_auth_state = True
c.LocalProcessSpawner.cmd = [sys.executable, "{folder}/server.py"]
c.Spawner.default_url = "/"
"""

SERVER = """
import http.server, os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["KRB5CCNAME"].encode())
    def log_message(self, *_): pass
port = int(os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2].split(":")[1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

TOKEN = "hubforge-test-token"


@dataclass
class Hub:
    """A hub's folder, and its process while it runs."""

    folder: Path
    environment: dict[str, str]
    traits: dict[str, Any]
    kind: str = "kerberos-pam"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/hub"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def start(self) -> "Hub":
        config = CONFIG.format(port=self.port, public=free_port(), folder=self.folder, kind=self.kind, token=TOKEN)
        lines = [f"c.{name} = {value!r}\n" for name, value in self.traits.items()]
        (self.folder / "config.py").write_text(config + "".join(lines))
        (self.folder / "server.py").write_text(SERVER)
        with (self.folder / "hub.log").open("ab") as log:
            command = [sys.executable, "-m", "jupyterhub", "-f", str(self.folder / "config.py")]
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, "the hub's answer", lambda: self.log)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health", timeout=5).ok
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def api(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"token {TOKEN}"}
        answer = requests.request(method, f"{self.url}/api{path}", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @property
    def ticket(self) -> Path:
        """Where the user's ticket is."""
        return Path(self.traits["KerberosPAMAuthenticator.ticket_folder"], USER, "krb5cc")

    def replace_ticket(self, *options: str) -> None:
        """Puts another ticket into the user's folder, as kinit in a notebook would."""
        account = Account.of(USER)
        identity = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--"]
        kinit = ["kinit", *options, "-c", str(self.ticket), f"{USER}@{REALM}"]
        text = f"{PASSWORD}\n".encode()
        subprocess.run([*identity, *kinit], input=text, env=self.environment, check=True, capture_output=True)

    def servers(self, user: str = USER) -> dict[str, Any]:
        return dict(self.api("GET", f"/users/{user}")["servers"])


class Browser(requests.Session):
    """One browser of one user."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.headers["Sec-Fetch-Mode"] = "navigate"

    def open(self, page: str, **options: Any) -> requests.Response:
        return self.get(f"{self.hub.url}/{page}", timeout=60, **options)

    def form(self) -> str:
        """Opens the login form; the hidden field that it has against forged requests."""
        self.open("login?form=1", allow_redirects=False)
        return self.xsrf()

    def xsrf(self) -> str:
        return next(cookie.value or "" for cookie in self.cookies if cookie.name == "_xsrf")

    def login(self, username: str = USER, password: str = PASSWORD, timeout: float = 120) -> requests.Response:
        """Sends the login form; follows no redirect."""
        data = {"username": username, "password": password, "_xsrf": self.form()}
        return self.post(f"{self.hub.url}/login", data=data, allow_redirects=False, timeout=timeout)


def error_on(page: requests.Response) -> str:
    """The sentence that the login page shows in red."""
    found = re.search(r'class="login_error"[^>]*>(.*?)</p>', page.text, re.DOTALL)
    return " ".join(found[1].split()).replace("&#39;", "'") if found else ""


def wait_until(condition: Callable[[], Any], what: str, log: Callable[[], str], seconds: float = 120) -> Any:
    return wait_for(what, condition, seconds, lambda: log()[-4000:])


@pytest.fixture(scope="module")
def make_hub(kdc: Any, pam_services: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Hub]]:
    """Makes hubs, and ends them after the module's tests."""
    hubs: list[Hub] = []

    def make(kind: str = "kerberos-pam", **traits: Any) -> Hub:
        folder = tmp_path_factory.mktemp("hub")
        for parent in (folder, *list(folder.parents)[:2]):
            parent.chmod(parent.stat().st_mode | 0o055)
        tickets = Path(f"/run/hubforge-test-{folder.parent.name}-{folder.name}/tickets")
        defaults = {
            "keytab": kdc.keytab,
            "ticket_folder": str(tickets),
            "service": "hubforge-test-no-ticket",
            "allowed_groups": {"nogroup", "daemon"},
        }
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "KRB5_CONFIG": kdc.env["KRB5_CONFIG"],
            "JUPYTERHUB_CRYPT_KEY": "ab" * 32,
            "PYTHONPATH": ":".join(path for path in sys.path if "/recipes/" in path),
        }
        settings = {f"KerberosPAMAuthenticator.{name}": value for name, value in (defaults | traits).items()}
        hubs.append(Hub(folder, environment, settings, kind))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.stop()
        shutil.rmtree(Path(hub.traits["KerberosPAMAuthenticator.ticket_folder"]).parent, ignore_errors=True)
