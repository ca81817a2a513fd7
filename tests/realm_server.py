"""A server below a folder: accounts, PAM and Kerberos of its own, a real KDC, and the installed hub with Docker.

The hub runs in a mount namespace in which the folder's ``/etc/passwd``, ``/etc/pam.d``, ``/etc/krb5.conf`` … lie over
this machine's. Docker does not see that namespace, and need not: all that containers get lies below the folder.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests import containers
from tests.ports import free_ports, listens
from tests.waiting import wait_for

REALM = "HUBFORGE.TEST"
USER = "analyst"
PASSWORD = "correct-horse-7Qx!"
UID = 61234
SERVICE = "service.hubforge.test"

_OURS = ("passwd", "group", "shadow", "pam.d", "krb5.conf")

# The cache is what RHEL and its kin have: a keyring, which no container and no Java can read.
KRB5_CONF = """\
[libdefaults]
 default_realm = {realm}
 default_ccache_name = KEYRING:persistent:%{{uid}}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 {realm} = {{
  kdc = {gateway}:{port}
 }}
[domain_realm]
 .hubforge.test = {realm}
"""

KDC_CONF = """\
[realms]
 {realm} = {{
  kdc_listen = {gateway}:{port}
  kdc_tcp_listen = {gateway}:{port}
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  max_renewable_life = 7d
 }}
"""

HUB_YAML = """\
auth: kerberos
spawner: docker
bind: 127.0.0.1
port: {port}
internal_ports: {{hub: {hub}, proxy_api: {proxy}}}
docker:
  images:
    - {{name: Notebook, image: hubforge/notebook}}
limits: {{memory: 3g}}
pyspark: {{driver_memory: [1g, 2g], hadoop_conf: /etc/hadoop/conf}}
"""

LOCAL_HUB_YAML = """\
auth: kerberos
spawner: local
bind: 127.0.0.1
port: {port}
internal_ports: {{hub: {hub}, proxy_api: {proxy}}}
"""

CORE_SITE = """\
<configuration>
  <property><name>hadoop.security.authentication</name><value>kerberos</value></property>
</configuration>
"""

# Answers with the principal of whoever proves to be one (SPNEGO, RFC 4559), and with a cookie, as Hadoop's services do.
WEB_SERVICE = """\
import http.server, sys
import kerberos

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Negotiate":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Negotiate")
            self.end_headers()
            return
        _, context = kerberos.authGSSServerInit("HTTP")
        kerberos.authGSSServerStep(context, token)
        name = kerberos.authGSSServerUserName(context)
        self.send_response(200)
        self.send_header("WWW-Authenticate", "Negotiate " + kerberos.authGSSServerResponse(context))
        self.send_header("Set-Cookie", f'hadoop.auth="u={name.partition("@")[0]}&p={name}&t=kerberos&e=9999999999999"')
        self.end_headers()
        self.wfile.write(name.encode())

    do_OPTIONS = do_GET

http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class RealmServer:
    """The folder, the ports that were free, and the accounts; each has the password PASSWORD."""

    folder: Path
    ports: tuple[int, ...]
    users: tuple[str, ...] = (USER,)

    @property
    def root(self) -> Path:
        """What the hub takes for ``/``."""
        return self.folder / "root"

    @property
    def prefix(self) -> Path:
        """Where the installer installs."""
        return self.folder / "prefix"

    @property
    def home(self) -> Path:
        """The folder that is the home of USER inside a container."""
        return self.folder / "home" / USER / "work"

    @property
    def ticket(self) -> Path:
        """Where the hub keeps the ticket of USER."""
        return self.root / "run/jupyterhub/tickets" / USER / "krb5cc"

    @property
    def kerberos(self) -> dict[str, str]:
        """The environment of Kerberos programs that belong to the realm."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "KRB5_CONFIG": str(self.root / "etc/krb5.conf")}

    @property
    def kdc(self) -> dict[str, str]:
        """The environment of the KDC's own programs."""
        return self.kerberos | {"KRB5_KDC_PROFILE": str(self.folder / "kdc" / "kdc.conf")}

    @property
    def address(self) -> str:
        """What the browser opens."""
        return f"https://localhost:{self.ports[0]}"

    @property
    def service_address(self) -> str:
        """The test service, as a container reaches it."""
        return f"http://{self.gateway}:{self.ports[4]}/"

    @cached_property
    def gateway(self) -> str:
        """This machine's address on Docker's default network."""
        return containers.gateway()

    def hubctl(self, *arguments: str) -> str:
        """What hubctl says, run in the namespace."""
        binds = [
            f"mount --bind {self.root}/etc/{name} /etc/{name}" for name in _OURS if (self.root / "etc" / name).exists()
        ]
        script = "\n".join([*binds, 'exec "$@"'])
        program = self.prefix / "envs" / "jupyterhubenv" / "bin" / "hubctl"
        command = ["unshare", "--mount", "sh", "-euc", script, "sh", str(program), "--root", str(self.root), *arguments]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name == "DOCKER_HOST"}
        # A file takes the output: the hub inherits it and lives on.
        with (self.folder / "hubctl.log").open("w+") as log:
            done = subprocess.run(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            log.seek(0)
            said = log.read()
        assert done.returncode == 0, said
        return said

    def log(self) -> str:
        """The hub's log."""
        path = self.root / "var" / "log" / "jupyterhub" / "jupyterhub.log"
        return path.read_text() if path.exists() else ""

    @property
    def hub_process(self) -> int:
        """The hub's process; the proxy is its child."""
        return int((self.root / "run" / "jupyterhub" / "hub.pid").read_text().split()[0])

    def containers(self) -> list[str]:
        """The containers of its users, by user, running or not."""
        listed = subprocess.run(
            ["docker", "ps", "--all", "--format", "{{.Names}}"], check=True, capture_output=True, text=True
        )
        names = {f"jupyter-{user}": user for user in self.users}
        return sorted(names[name] for name in listed.stdout.split() if name in names)


@contextmanager
def realm_server(
    installer: Path, users: tuple[str, ...] = (USER,), settings: str = HUB_YAML, site: str = ""
) -> Iterator[RealmServer]:
    """A server with a running hub and a running KDC.

    Args:
        users: names of letters and digits alone.
        settings: ``hub.yaml``, with places for the ports.
        site: the name whose key ``/etc/jupyterhub/http.keytab`` shall have; empty for no such file.
    """
    assert os.geteuid() == 0, "accounts, PAM and a KDC need root"
    # short: kernels of local servers have sockets below it (unix(7): 107 bytes)
    server = RealmServer(Path(f"/var/tmp/hubforge-{os.getpid()}"), tuple(free_ports(6)), users)
    server.folder.mkdir(mode=0o755)
    try:
        _lay_out(server)
        subprocess.run(["bash", str(installer), "-b", "-s", "-p", str(server.prefix)], check=True)
        with _kdc(server), _web_service(server):
            server.hubctl("setup", "--auth", "kerberos", "--spawner", "docker")
            _, hub, proxy = server.ports[:3]
            text = settings.format(port=server.ports[0], hub=hub, proxy=proxy)
            (server.root / "etc/jupyterhub/hub.yaml").write_text(text)
            if site:
                _add_key(server, f"HTTP/{site}", server.root / "etc/jupyterhub/http.keytab")
            server.hubctl("start")
            try:
                yield server
            finally:
                print(server.log())  # pytest shows it where a test has failed
                server.hubctl("stop")
                remove_containers(server.containers())
    finally:
        shutil.rmtree(server.folder)


def _lay_out(server: RealmServer) -> None:
    """The folder's ``/etc``: this machine's, and accounts whose password only the KDC knows."""
    etc = server.root / "etc"
    etc.mkdir(parents=True)
    added: dict[str, list[str]] = {"passwd": [], "group": [], "shadow": []}
    for uid, user in enumerate(server.users, UID):
        home = server.folder / "home" / user
        home.mkdir(parents=True, mode=0o755)
        home.chmod(0o700)
        os.chown(home, uid, uid)
        added["passwd"].append(f"{user}:x:{uid}:{uid}::{home}:/bin/bash")
        added["group"].append(f"{user}:x:{uid}:")
        added["shadow"].append(f"{user}:*:19000:0:99999:7:::")
    added["group"].append(f"jupyterhub:x:{UID - 1}:{','.join(server.users)}")
    for name, lines in added.items():
        own = [line for line in Path("/etc", name).read_text().splitlines() if not line.startswith("jupyterhub:")]
        (etc / name).write_text("\n".join([*own, *lines]) + "\n")
    (etc / "shadow").chmod(0o600)
    shutil.copytree("/etc/pam.d", etc / "pam.d", ignore=shutil.ignore_patterns("hubforge-test-*"))  # they come and go
    values = {"realm": REALM, "gateway": server.gateway, "port": server.ports[3], "folder": server.folder / "kdc"}
    (etc / "krb5.conf").write_text(KRB5_CONF.format(**values))
    (etc / "hadoop/conf").mkdir(parents=True)
    (etc / "hadoop/conf/core-site.xml").write_text(CORE_SITE)
    (server.folder / "kdc").mkdir(mode=0o700)
    (server.folder / "kdc" / "kdc.conf").write_text(KDC_CONF.format(**values))


def _add_key(server: RealmServer, principal: str, keytab: Path) -> None:
    """A service of the realm, and its key in a file."""
    for query in (f"addprinc -randkey {principal}", f"ktadd -k {keytab} {principal}"):
        _administer(server, "kadmin.local", "-r", REALM, "-q", query)


def _administer(server: RealmServer, *command: str) -> None:
    subprocess.run(command, env=server.kdc, check=True, capture_output=True)


@contextmanager
def _kdc(server: RealmServer) -> Iterator[None]:
    """A KDC with the users, the host's keytab, the test service's and Hive's."""
    _administer(server, "kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
    queries = "\n".join(f"addprinc -pw {PASSWORD} {user}" for user in server.users)
    subprocess.run(
        ["kadmin.local", "-r", REALM], env=server.kdc, check=True, capture_output=True, input=queries, text=True
    )
    _add_key(server, "host/hub.hubforge.test", server.root / "etc/krb5.keytab")
    for name in (SERVICE, server.gateway):
        _add_key(server, f"HTTP/{name}", server.folder / "kdc" / "http.keytab")
    _add_key(server, f"hive/{server.gateway}", server.folder / "kdc" / "hive.keytab")
    with _process(["krb5kdc", "-n"], server.kdc, server.ports[3], server):
        yield


@contextmanager
def _web_service(server: RealmServer) -> Iterator[None]:
    """A service that says who it is talking to."""
    python = server.prefix / "envs" / "jupyterhubenv" / "bin" / "python"
    environment = {
        "KRB5_CONFIG": str(server.root / "etc/krb5.conf"),
        "KRB5_KTNAME": str(server.folder / "kdc" / "http.keytab"),
    }
    command = [str(python), "-c", WEB_SERVICE, server.gateway, str(server.ports[4])]
    with _process(command, environment, server.ports[4], server):
        yield


@contextmanager
def _process(command: Sequence[str], environment: dict[str, str], port: int, server: RealmServer) -> Iterator[None]:
    """A process, from when it listens until the block ends."""
    with (server.folder / f"{port}.log").open("w+") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            address = (server.gateway, port)
            wait_for(command[0], lambda: running.poll() is not None or listens(address), 60)
            log.seek(0)
            assert running.poll() is None, f"{command[0]} ended: {log.read()}"
            yield
        finally:
            running.terminate()
            running.wait()


def remove_containers(users: Sequence[str]) -> None:
    """Removes the users' servers, which a hub that stops leaves running."""
    for user in users:
        subprocess.run(["docker", "rm", "--force", f"jupyter-{user}"], check=True, capture_output=True)
