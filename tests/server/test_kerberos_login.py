"""Logins with real KDCs (k5test starts them), real PAM and the Kerberos programs; needs root, for users' rights.

Two services of PAM are made: one asks the KDC through pam_krb5, one accepts everybody, which is what a fake KDC or a
careless configuration would make of it. The user is ``nobody``, whom every Debian has.
"""

import asyncio
import grp
import logging
import os
import pwd
import shutil
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.handlers.base import BaseHandler
from jupyterhub_kerberos import KerberosPAMAuthenticator, authenticator
from jupyterhub_kerberos.cache import TicketFolders
from jupyterhub_kerberos.errors import TicketError
from jupyterhub_kerberos.programs import Account
from jupyterhub_kerberos.tickets import Ticket
from k5test.realm import MITRealm
from tornado import web

REALM = "HUBFORGE.TEST"
USER = "nobody"
PASSWORD = "correct-horse-7Qx!"
SERVICES = {
    "hubforge-test-krb5": "auth required pam_krb5.so minimum_uid=1\naccount required pam_permit.so\n",
    "hubforge-test-anybody": "auth required pam_permit.so\naccount required pam_permit.so\n",
    "hubforge-test-locked": "auth required pam_permit.so\naccount required pam_deny.so\n",
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acts with the rights of other users: needs root")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_realm(password: str) -> MITRealm:
    """A KDC for ``REALM``: each has other keys."""
    local = {
        "libdefaults": {"dns_canonicalize_hostname": "false", "rdns": "false"},
        "realms": {"$realm": {"kdc": "127.0.0.1:$port0"}},
    }
    realm = MITRealm(realm=REALM, portbase=free_port(), krb5_conf=local, get_creds=False, create_user=False)
    for principal in (f"krbtgt/{REALM}@{REALM}", realm.host_princ):
        realm.run_kadminl(f"modprinc -maxrenewlife 7d {principal}")
    realm.run_kadminl(f"addprinc -maxrenewlife 7d -pw {password} {USER}@{REALM}")
    Path(realm.tmpdir).chmod(0o755)  # users read krb5.conf; the keys in there are 0600
    return realm


@pytest.fixture(scope="module", autouse=True)
def programs_of_root() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
        patch.delenv("KRB5_CONFIG", raising=False)
        # k5test asks krb5-config, which only krb5's development files have, where plugins are; none is needed
        patch.setattr("k5test._utils.find_plugin_dir", lambda: None)
        if not shutil.which("krb5kdc"):
            pytest.skip("needs Debian's krb5-kdc and krb5-admin-server")
        yield


@pytest.fixture(scope="module", autouse=True)
def pam_services() -> Iterator[None]:
    for name, lines in SERVICES.items():
        Path("/etc/pam.d", name).write_text(lines)
    yield
    for name in SERVICES:
        Path("/etc/pam.d", name).unlink()


@pytest.fixture(scope="module")
def kdc() -> Iterator[MITRealm]:
    realm = make_realm(PASSWORD)
    yield realm
    realm.stop()


@pytest.fixture(scope="module")
def fake_kdc() -> Iterator[MITRealm]:
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
    service: str = "hubforge-test-krb5"
    traits: dict[str, Any] = field(default_factory=dict)

    def authenticator(self) -> KerberosPAMAuthenticator:
        self.patch.setenv("KRB5_CONFIG", self.realm_conf)
        return KerberosPAMAuthenticator(
            keytab=self.keytab,
            ticket_folder=str(self.tickets),
            service=self.service,
            allowed_groups={grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name},
            **self.traits,
        )

    def __call__(self, username: str = USER, password: str = PASSWORD) -> dict[str, Any] | None:
        data = {"username": username, "password": password}
        return asyncio.run(self.authenticator().get_authenticated_user(None, data))

    @property
    def cache(self) -> Path:
        return self.tickets / USER / "krb5cc"


@pytest.fixture
def login(kdc: MITRealm, tickets: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    return Login(kdc.env["KRB5_CONFIG"], kdc.keytab, tickets, monkeypatch)


@pytest.fixture
def silent_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A krb5.conf that names a KDC that takes every packet and never answers."""
    udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    with udp, tcp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        tcp.bind(("127.0.0.1", port))
        tcp.listen()
        yield str(krb5_conf(tmp_path_factory, port))


@pytest.fixture
def dead_kdc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A krb5.conf that names a KDC where nothing listens."""
    return str(krb5_conf(tmp_path_factory, free_port(socket.SOCK_DGRAM)))


def krb5_conf(factory: pytest.TempPathFactory, port: int) -> Path:
    folder = factory.mktemp("krb5")
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)
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


class Clock(datetime):
    """A clock that is ``ahead``."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + cls.ahead


def refresh(auth: KerberosPAMAuthenticator) -> bool:
    """Refresh as a request would, and let the renewal finish that it may have started."""

    async def run() -> bool:
        fresh = await auth.refresh_user(SimpleNamespace(name=USER))
        await asyncio.gather(*auth._renewals.values())
        return fresh

    return asyncio.run(run())


# -- login -------------------------------------------------------------------------------------------------------------


def test_login_leaves_a_ticket_that_only_its_user_can_read(login: Login) -> None:
    uid = pwd.getpwnam(USER).pw_uid
    authenticated = login()
    assert authenticated is not None
    assert authenticated["name"] == USER
    assert modes(login.tickets) == (0o711, 0)
    assert modes(login.tickets / USER) == (0o700, uid)
    assert modes(login.cache) == (0o600, uid)
    assert [path.name for path in (login.tickets / USER).iterdir()] == ["krb5cc"]
    assert [path.name for path in login.tickets.iterdir()] == [USER]


def test_pam_leaves_no_second_ticket_behind(login: Login) -> None:
    def caches() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in Path("/tmp").glob("krb5cc*")}

    before = caches()
    assert login() is not None
    assert caches() == before


def test_ticket_is_renewable_and_forwardable(login: Login, kdc: MITRealm) -> None:
    login()
    shown = kdc.run(["klist", "-f", "-c", str(login.cache)]).decode()
    assert "renew until" in shown
    flags = shown.split("Flags: ")[1].split()[0]
    assert {"F", "R"} <= set(flags)


def test_wrong_password_is_refused_by_pam(login: Login) -> None:
    assert login(password="wrong") is None
    assert not login.cache.exists()


def test_wrong_password_is_refused_by_kinit_where_pam_accepts_everything(login: Login) -> None:
    login.service = "hubforge-test-anybody"
    assert login(password="wrong") is None
    assert not login.cache.exists()


def test_refused_login_leaves_the_ticket_of_before(login: Login) -> None:
    login()
    before = login.cache.read_bytes()
    login.service = "hubforge-test-anybody"
    assert login(password="wrong") is None
    assert login.cache.read_bytes() == before


def test_password_with_line_break_is_not_taken_for_its_first_line(login: Login) -> None:
    login.service = "hubforge-test-anybody"
    assert login(password=f"{PASSWORD}\nmore") is None


def test_account_that_pam_refuses_gets_no_ticket(login: Login) -> None:
    login.service = "hubforge-test-locked"
    assert login() is None
    assert not login.tickets.exists()


def test_user_outside_of_the_allowed_groups_gets_no_ticket(login: Login) -> None:
    auth = login.authenticator()
    auth.allowed_groups = {"daemon"}
    data = {"username": USER, "password": PASSWORD}
    assert asyncio.run(auth.get_authenticated_user(None, data)) is None
    assert not login.tickets.exists()


def test_user_without_a_local_account_is_told_so(login: Login, kdc: MITRealm) -> None:
    kdc.run_kadminl(f"addprinc -pw {PASSWORD} stranger@{REALM}")
    login.service = "hubforge-test-anybody"
    with pytest.raises(web.HTTPError, match="no account on this server"):
        login(username="stranger")


def test_members_of_group_jupyterhub_alone_are_let_in_by_default(login: Login) -> None:
    assert login.authenticator().trait_defaults("allowed_groups") == {"jupyterhub"}


def test_expired_password_is_said(login: Login, kdc: MITRealm) -> None:
    kdc.run_kadminl(f"addprinc -pw {PASSWORD} -pwexpire yesterday daemon@{REALM}")
    login.service = "hubforge-test-anybody"
    auth = login.authenticator()
    auth.allowed_groups = {"daemon"}
    with pytest.raises(web.HTTPError, match="expired"):
        asyncio.run(auth.get_authenticated_user(None, {"username": "daemon", "password": PASSWORD}))


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [USER, f"{USER}@{REALM}", f"{USER.upper()}@{REALM.lower()}"])
def test_own_realm_may_be_typed(login: Login, typed: str) -> None:
    authenticated = login(username=typed)
    assert authenticated is not None
    assert authenticated["name"] == USER


@pytest.mark.parametrize(
    "typed", [f"{USER}@OTHER.TEST", "-h", "../root", "a/b", "", ".", "..", "nobody\n", "a b", "a\0b", "x" * 10_000_000]
)
def test_strange_names_are_refused(login: Login, typed: str) -> None:
    login.service = "hubforge-test-anybody"
    assert login(username=typed) is None
    assert not login.tickets.exists()


# -- the KDC -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["hubforge-test-krb5", "hubforge-test-anybody"])
def test_dead_kdc_gives_a_sentence_to_the_user_and_the_realm_to_the_log(
    login: Login, dead_kdc: str, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    login.realm_conf, login.service = dead_kdc, service
    with pytest.raises(web.HTTPError, match="cannot be reached") as error, caplog.at_level(logging.WARNING):
        login()
    assert error.value.status_code == 503
    assert REALM in caplog.text


def test_silent_kdc_gives_the_sentence_when_the_time_is_up(login: Login, silent_kdc: str) -> None:
    login.realm_conf, login.service, login.traits = silent_kdc, "hubforge-test-anybody", {"kerberos_timeout": 1.0}
    with pytest.raises(web.HTTPError, match="cannot be reached"):
        login()
    assert list((login.tickets / USER).iterdir()) == []


def test_fake_kdc_is_refused_whatever_pam_says(login: Login, fake_kdc: MITRealm) -> None:
    login.realm_conf, login.service = fake_kdc.env["KRB5_CONFIG"], "hubforge-test-anybody"
    with pytest.raises(web.HTTPError, match="could not be verified"):
        login(password="evil")
    assert not login.cache.exists()


def test_without_a_keytab_a_fake_kdc_gets_through_and_a_warning_says_so(
    login: Login, fake_kdc: MITRealm, caplog: pytest.LogCaptureFixture
) -> None:
    login.realm_conf, login.service, login.keytab = fake_kdc.env["KRB5_CONFIG"], "hubforge-test-anybody", "/none"
    with caplog.at_level(logging.WARNING):
        assert login(password="evil") is not None
    assert "CANNOT BE VERIFIED" in caplog.text


def test_unusable_keytab_lets_nobody_in(login: Login, tmp_path: Path) -> None:
    broken = tmp_path / "keytab"
    broken.write_bytes(b"no keytab")
    login.keytab = str(broken)
    with pytest.raises(web.HTTPError, match="Please tell the administrator"):
        login()


def test_realm_comes_from_krb5_conf(login: Login) -> None:
    assert login.authenticator().realm == REALM


def test_missing_realm_stops_the_start(login: Login, tmp_path: Path) -> None:
    empty = tmp_path / "krb5.conf"
    empty.write_text("[libdefaults]\n")
    login.realm_conf = str(empty)
    with pytest.raises(ValueError, match="default_realm"):
        login.authenticator()


# -- the password ------------------------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """Reads every process's arguments and environment, over and over."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret.encode()
        self.found: set[str] = set()
        self.saw_kinit = False
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        content = (process / name).read_bytes()
                    except OSError:
                        continue
                    self.saw_kinit |= name == "cmdline" and b"kinit\0" in content and USER.encode() in content
                    if self.secret in content:
                        self.found.add(f"{process / name}: {content!r}")


def test_password_is_in_no_arguments_environment_or_log(
    login: Login, silent_kdc: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The KDC never answers, so kinit holds the password as long as its time limit lets it."""
    login.realm_conf, login.service, login.traits = silent_kdc, "hubforge-test-anybody", {"kerberos_timeout": 3.0}
    watcher = Watcher(PASSWORD)
    watcher.start()
    try:
        with caplog.at_level(logging.DEBUG), pytest.raises(web.HTTPError):
            login()
    finally:
        watcher.over.set()
        watcher.join()
    assert watcher.saw_kinit
    assert not watcher.found
    printed = capfd.readouterr()
    assert PASSWORD not in caplog.text + printed.out + printed.err


def test_password_is_in_no_log_when_it_is_wrong(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    login.service = "hubforge-test-anybody"
    with caplog.at_level(logging.DEBUG):
        assert login(password="almost-" + PASSWORD) is None
    assert PASSWORD not in caplog.text


# -- links -------------------------------------------------------------------------------------------------------------


def test_link_in_the_ticket_folder_is_replaced_not_followed(login: Login, tmp_path: Path) -> None:
    login()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    login.cache.unlink()
    login.cache.symlink_to(victim)
    os.lchown(login.cache, *[as_user().uid] * 2)
    assert login() is not None
    assert victim.read_text() == "untouched"
    assert modes(victim)[1] == 0
    assert stat.S_ISREG(login.cache.lstat().st_mode)


def test_link_in_place_of_the_ticket_folder_is_refused(login: Login, tmp_path: Path) -> None:
    login.tickets.mkdir(parents=True, mode=0o711)
    (login.tickets / USER).symlink_to(tmp_path)
    with pytest.raises(web.HTTPError):
        login()
    assert list(tmp_path.iterdir()) == []
    assert modes(tmp_path)[1] == 0


def test_ticket_folder_that_others_can_write_to_is_refused(login: Login) -> None:
    login.tickets.mkdir(parents=True)
    login.tickets.chmod(0o1777)
    with pytest.raises(web.HTTPError):
        login()


@pytest.mark.parametrize("kind", ["link", "pipe", "foreign"])
def test_root_reads_plain_files_of_the_user_only(tickets: Path, tmp_path: Path, kind: str) -> None:
    folders, account = TicketFolders(tickets), as_user()
    path = folders.make(account) / "new"
    if kind == "link":
        path.symlink_to("/etc/shadow")
    elif kind == "pipe":
        os.mkfifo(path)
        os.chown(path, account.uid, account.gid)
    else:
        path.write_text("root's")
    with pytest.raises((TicketError, OSError)):
        folders.read(account, "new")


def test_folder_of_a_strange_name_is_never_made(tickets: Path) -> None:
    with pytest.raises(TicketError):
        TicketFolders(tickets).make(Account("../x", 1, 1))


# -- renewal -----------------------------------------------------------------------------------------------------------


def test_young_ticket_is_left_alone(login: Login) -> None:
    login()
    before = login.cache.stat()
    assert refresh(login.authenticator()) is True
    assert login.cache.stat().st_ino == before.st_ino


def test_ticket_is_renewed_when_half_of_its_time_is_gone(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    auth = login.authenticator()
    before = asyncio.run(auth.tickets.status(as_user()))
    inode = login.cache.stat().st_ino
    monkeypatch.setattr(authenticator, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=6))
    assert refresh(auth) is True
    after = asyncio.run(auth.tickets.status(as_user()))
    assert before is not None
    assert after is not None
    assert login.cache.stat().st_ino != inode
    assert after.end >= before.end
    assert modes(login.cache) == (0o600, as_user().uid)
    assert [path.name for path in (login.tickets / USER).iterdir()] == ["krb5cc"]


def test_ticket_that_is_over_sends_its_user_to_the_login(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    monkeypatch.setattr(authenticator, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=11))
    assert refresh(login.authenticator()) is False


def test_missing_ticket_sends_its_user_to_the_login(login: Login) -> None:
    assert refresh(login.authenticator()) is False


def test_dead_kdc_throws_nobody_out_whose_ticket_is_valid(
    login: Login, dead_kdc: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    login()
    before = login.cache.read_bytes()
    login.realm_conf = dead_kdc
    monkeypatch.setattr(authenticator, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=6))
    with caplog.at_level(logging.WARNING):
        assert refresh(login.authenticator()) is True
    assert "was not renewed" in caplog.text
    assert login.cache.read_bytes() == before


def test_refused_refresh_is_a_redirect_not_a_traceback(login: Login) -> None:
    """JupyterHub 6.1 reads an attribute then that it sets only on requests with a token."""
    login.authenticator()
    assert BaseHandler._token_authenticated is False


@pytest.mark.parametrize(("hours", "due"), [(4, False), (5, True)])
def test_renewal_is_due_at_half_of_the_lifetime(hours: int, due: bool) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ticket = Ticket(start, start + timedelta(hours=10), start + timedelta(days=7))
    assert ticket.is_due(start + timedelta(hours=hours)) is due


def test_ticket_at_the_end_of_its_renewable_life_is_not_renewed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(hours=10)
    assert Ticket(start, end, end).is_due(end - timedelta(minutes=1)) is False


# -- servers -----------------------------------------------------------------------------------------------------------


def test_server_is_told_where_the_ticket_is_and_gets_the_folder(login: Login) -> None:
    auth = login.authenticator()
    spawner = SimpleNamespace(environment={"A": "b"}, volumes={"/shared": "/shared"})
    asyncio.run(auth.pre_spawn_start(SimpleNamespace(name=USER), spawner))
    folder = str(login.tickets / USER)
    assert spawner.environment == {"A": "b", "KRB5CCNAME": f"FILE:{folder}/krb5cc"}
    assert spawner.volumes == {"/shared": "/shared", folder: folder}
    assert modes(Path(folder)) == (0o700, as_user().uid)


def test_server_without_volumes_is_told_where_the_ticket_is(login: Login) -> None:
    spawner = SimpleNamespace(environment={})
    asyncio.run(login.authenticator().pre_spawn_start(SimpleNamespace(name=USER), spawner))
    assert spawner.environment == {"KRB5CCNAME": f"FILE:{login.cache}"}


def test_hub_finds_the_authenticator_by_its_short_name() -> None:
    (found,) = entry_points(group="jupyterhub.authenticators", name="kerberos-pam")
    assert found.load() is KerberosPAMAuthenticator
