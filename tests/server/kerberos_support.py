"""KDCs (k5test starts them), PAM services and the login of a hub, for tests that need the real thing.

Root is needed, for users' rights. Two users log in: ``nobody`` and ``daemon``, whom every Debian has.
"""

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from jupyterhub_kerberos import KerberosPAMAuthenticator
from jupyterhub_kerberos.programs import Account
from k5test.realm import MITRealm

from tests.ports import free_port

REALM = "HUBFORGE.TEST"
USER = "nobody"
OTHER = "daemon"
PASSWORD = "correct-horse-7Qx!"
"""No suite that runs at the same time has the same: it is looked for in every process of the machine."""
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
KRB5, STACK, ANYBODY, LOCKED, NO_TICKET = (
    f"hubforge-test-{name}" for name in ("krb5", "stack", "anybody", "locked", "no-ticket")
)
"""PAM services: pam_krb5; the same with local passwords after it, as Debian's stack of all services has it; everybody,
as a fake KDC or a careless configuration would; no account is good; pam_krb5 that leaves no ticket."""
SERVICES = {
    KRB5: "auth required pam_krb5.so minimum_uid=1\naccount required pam_permit.so\n",
    STACK: "auth [success=2 default=ignore] pam_krb5.so minimum_uid=1\n"
    "auth [success=1 default=ignore] pam_unix.so try_first_pass\nauth requisite pam_deny.so\n"
    "auth required pam_permit.so\naccount required pam_permit.so\n",
    ANYBODY: "auth required pam_permit.so\naccount required pam_permit.so\n",
    LOCKED: "auth required pam_permit.so\naccount required pam_deny.so\n",
    NO_TICKET: "auth required pam_krb5.so minimum_uid=1 no_ccache\naccount required pam_permit.so\n",
}


def make_realm(password: str) -> MITRealm:
    """A KDC for ``REALM``: each has other keys."""
    local = {
        "libdefaults": {"dns_canonicalize_hostname": "false", "rdns": "false"},
        "realms": {"$realm": {"kdc": "127.0.0.1:$port0"}},
    }
    realm = MITRealm(realm=REALM, portbase=free_port(), krb5_conf=local, get_creds=False, create_user=False)
    for principal in (f"krbtgt/{REALM}@{REALM}", realm.host_princ):
        realm.run_kadminl(f"modprinc -maxrenewlife 7d {principal}")
    for user in (USER, OTHER):
        realm.run_kadminl(f"addprinc -maxrenewlife 7d -pw {password} {user}@{REALM}")
    Path(realm.tmpdir).chmod(0o755)  # users read krb5.conf; the keys in there are 0600
    return realm


@pytest.fixture(scope="session")
def programs_of_root() -> Iterator[None]:
    if os.geteuid() != 0 or not Path("/usr/sbin/krb5kdc").exists():
        pytest.fail("these tests need root, and Debian's krb5-kdc, krb5-admin-server, libpam-krb5 and faketime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
        patch.delenv("KRB5_CONFIG", raising=False)
        # k5test asks krb5-config, which only krb5's development files have, where plugins are; none is needed
        patch.setattr("k5test._utils.find_plugin_dir", lambda: None)
        yield


@pytest.fixture(scope="session")
def pam_services() -> Iterator[None]:
    for name, lines in SERVICES.items():
        Path("/etc/pam.d", name).write_text(lines)
    yield
    for name in SERVICES:
        Path("/etc/pam.d", name).unlink()


@pytest.fixture(scope="module")
def kdc(programs_of_root: None) -> Iterator[MITRealm]:
    realm = make_realm(PASSWORD)
    yield realm
    realm.stop()


@pytest.fixture(scope="module")
def fake_kdc(programs_of_root: None) -> Iterator[MITRealm]:
    realm = make_realm("evil")
    yield realm
    realm.stop()


@pytest.fixture
def tickets() -> Iterator[Path]:
    """A ticket folder below which no test's private folder keeps the user out."""
    folder = Path(f"/run/hubforge-test-{os.getpid()}/tickets")
    yield folder
    shutil.rmtree(folder.parent, ignore_errors=True)


@dataclass
class Login:
    """Logs in as the hub's login form does."""

    realm_conf: str
    keytab: str
    tickets: Path
    patch: pytest.MonkeyPatch
    service: str = NO_TICKET
    traits: dict[str, Any] = field(default_factory=dict)

    def authenticator(self) -> KerberosPAMAuthenticator:
        self.patch.setenv("KRB5_CONFIG", self.realm_conf)
        traits = {
            "keytab": self.keytab,
            "ticket_folder": str(self.tickets),
            "service": self.service,
            "allowed_groups": {grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name},
        }
        return KerberosPAMAuthenticator(**traits | self.traits)

    def __call__(self, username: str = USER, password: str = PASSWORD) -> dict[str, Any] | None:
        data = {"username": username, "password": password}
        return asyncio.run(self.authenticator().get_authenticated_user(None, data))

    @property
    def folder(self) -> Path:
        return self.tickets / USER

    @property
    def cache(self) -> Path:
        return self.folder / "krb5cc"


@pytest.fixture
def login(kdc: MITRealm, pam_services: None, tickets: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    return Login(kdc.env["KRB5_CONFIG"], kdc.keytab, tickets, monkeypatch)


@pytest.fixture
def silent_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A krb5.conf that names a KDC that takes every packet and never answers."""
    port = free_port()
    with silence(port):
        yield str(krb5_conf(tmp_path_factory, port))


@contextlib.contextmanager
def clock_of_kdc(kdc: MITRealm, offset: str) -> Iterator[None]:
    """Lets the KDC live in another time, as faketime(1) reads it (``+1h``)."""
    kdc.stop_kdc()
    kdc.start_kdc(env=kdc.env | {"LD_PRELOAD": FAKETIME, "FAKETIME": offset})
    try:
        yield
    finally:
        kdc.stop_kdc()
        kdc.start_kdc()


@contextlib.contextmanager
def silence(port: int) -> Iterator[None]:
    """Takes every packet on a port of the loopback, and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for server in (udp, tcp):
            server.bind(("127.0.0.1", port))
        tcp.listen()
        yield


@pytest.fixture
def dead_kdc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A krb5.conf that names a KDC where nothing listens."""
    return str(krb5_conf(tmp_path_factory, free_port(socket.SOCK_DGRAM)))


def krb5_conf(factory: pytest.TempPathFactory, port: int) -> Path:
    folder = factory.mktemp("krb5")
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    path = folder / "krb5.conf"
    path.write_text(
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\n"
        f"[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{port}\n}}\n"
    )
    return path


def modes(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid


def as_user(user: str = USER) -> Account:
    return Account.of(user)


def flags(kdc: MITRealm, cache: Path) -> set[str]:
    """The flags of a ticket-granting ticket, by klist's letters."""
    return set(kdc.run(["klist", "-f", "-c", str(cache)]).decode().split("Flags: ")[1].split()[0])


class Clock(datetime):
    """A clock that is ``ahead``."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> Self:
        return cls.fromtimestamp((datetime.now(tz) + cls.ahead).timestamp(), tz)


def refresh(auth: KerberosPAMAuthenticator, handler: Any = None) -> bool:
    """Refresh as a request would, and let the renewal finish that it may have started."""

    async def run() -> bool:
        fresh = await auth.refresh_user(SimpleNamespace(name=USER), handler)
        await asyncio.gather(*auth._renewals.values())
        return fresh

    return asyncio.run(run())
