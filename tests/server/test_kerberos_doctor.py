"""`hubctl doctor`: what it says of keytabs, the KDC, its clock, and the ticket folder."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubctl.doctor import kerberos
from hubctl.doctor.examination import examine
from hubctl.layout import Layout
from k5test.realm import MITRealm
from kerberos_support import REALM, USER, as_user, clock_of_kdc, krb5_conf

pytest_plugins = ["kerberos_support"]

Found = list[tuple[str, str]]


class Server:
    """A folder that stands for a server whose users log in by Kerberos."""

    def __init__(self, path: Path, conf: str, patch: pytest.MonkeyPatch) -> None:
        self.layout = Layout(path)
        self.patch = patch
        self.layout.settings.parent.mkdir(parents=True)
        self.configure()
        self.realm_conf(conf)

    def configure(self, **kerberos: str) -> None:
        lines = ["auth: kerberos", "kerberos:", *(f"  {key}: {value}" for key, value in kerberos.items())]
        self.layout.settings.write_text("\n".join(lines if kerberos else lines[:1]) + "\n")

    def realm_conf(self, path: str) -> None:
        self.patch.setenv("KRB5_CONFIG", path)

    @property
    def keytab(self) -> Path:
        return self.layout.below("/etc/krb5.keytab")

    def about(self, name: str) -> Found:
        """States and texts; the mend of whatever is not in order is never empty."""
        findings = [finding for told, finding in examine(self.layout) if told == name]
        assert all(bool(finding.mend) is (finding.state != "ok") for finding in findings)
        return [(finding.state, f"{finding.found}\n{finding.mend}") for finding in findings]

    def state(self, name: str) -> tuple[str, str]:
        (found,) = self.about(name)
        return found


@pytest.fixture
def server(kdc: MITRealm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """With the host's keytab."""
    made = Server(tmp_path / "root", kdc.env["KRB5_CONFIG"], monkeypatch)
    shutil.copy(kdc.keytab, made.keytab)
    made.keytab.chmod(0o600)
    return made


def test_server_in_order(server: Server, kdc: MITRealm) -> None:
    assert server.state("realm") == ("ok", f"{REALM}\n")
    state, text = server.state("keytab")
    assert state == "ok"
    assert f"{kdc.host_princ}, and the KDC takes its key" in text
    state, text = server.state("kdc")
    assert state == "ok"
    assert f"the KDC of {REALM} answers" in text
    assert server.state("tickets")[0] == "ok"
    assert server.about("single sign-on") == []


def test_missing_keytab_is_a_warning_that_says_what_it_lets_happen(server: Server) -> None:
    server.keytab.unlink()
    state, text = server.state("keytab")
    assert state == "warning"
    assert "can't be verified" in text
    assert "log in as any user" in text


def test_keytab_that_others_can_read_is_a_fault(server: Server) -> None:
    server.keytab.chmod(0o640)
    (state, text), (other, _) = server.about("keytab")
    assert (state, other) == ("fault", "ok")
    assert f"chmod 600 {server.keytab}" in text


def test_file_that_is_no_keytab_is_a_fault(server: Server) -> None:
    server.keytab.write_bytes(b"no keytab")
    state, text = server.state("keytab")
    assert state == "fault"
    assert "cannot be read as a keytab" in text
    assert "nobody can log in" in text


def test_keytab_of_another_realm_is_a_fault(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Path(krb5_conf(tmp_path_factory, 1))
    other.write_text(other.read_text().replace(REALM, "OTHER.TEST"))
    server.realm_conf(str(other))
    state, text = server.state("keytab")
    assert state == "fault"
    assert "no service principal of the realm OTHER.TEST" in text


def test_keytab_with_another_key_than_the_kdcs_is_a_fault(server: Server, fake_kdc: MITRealm) -> None:
    """As after `ktadd` for another file, which makes a new key."""
    shutil.copy(fake_kdc.keytab, server.keytab)
    server.keytab.chmod(0o600)
    state, text = server.state("keytab")
    assert state == "fault"
    assert "another one than the KDC's" in text


def test_service_that_the_kdc_gives_no_tickets_is_no_fault(server: Server, kdc: MITRealm) -> None:
    """Active Directory knows services as names of the host's account, which alone can ask for tickets."""
    server.keytab.unlink()
    kdc.run_kadminl(f"addprinc -randkey host/elsewhere@{REALM}")
    kdc.run_kadminl(f"ktadd -k {server.keytab} host/elsewhere@{REALM}")
    kdc.run_kadminl(f"delprinc -force host/elsewhere@{REALM}")
    state, text = server.state("keytab")
    assert state == "ok"
    assert "takes its key" not in text


def test_dead_kdc_is_a_fault(server: Server, dead_kdc: str) -> None:
    server.realm_conf(dead_kdc)
    state, text = server.state("kdc")
    assert state == "fault"
    assert f"Cannot contact any KDC for realm '{REALM}'" in text


def test_silent_kdc_is_a_fault_when_the_time_is_up(server: Server, silent_kdc: str) -> None:
    server.patch.setattr(kerberos, "_SECONDS", 1)
    server.realm_conf(silent_kdc)
    state, text = server.state("kdc")
    assert state == "fault"
    assert f"no KDC of {REALM} answered within 1 s" in text


@pytest.mark.parametrize(
    ("offset", "state", "seconds"), [("+1h", "fault", 3600), ("-1h", "fault", 3600), ("+200s", "warning", 200)]
)
def test_kdc_with_another_time_is_told_by_how_much(
    server: Server, kdc: MITRealm, offset: str, state: str, seconds: int
) -> None:
    with clock_of_kdc(kdc, offset):
        found, text = server.state("kdc")
    assert found == state
    assert any(f"{near} s apart" in text for near in range(seconds - 5, seconds + 6))


def test_missing_realm_is_told_once(server: Server, tmp_path: Path) -> None:
    empty = tmp_path / "krb5.conf"
    empty.write_text("[libdefaults]\n")
    server.realm_conf(str(empty))
    told = [(name, finding.found) for name, finding in examine(server.layout) if "no realm" in finding.found]
    assert [name for name, _ in told] == ["realm"]
    assert str(empty) in told[0][1]


def test_realm_that_pam_does_not_know_is_a_warning(server: Server) -> None:
    server.configure(realm="OTHER.TEST")
    state, text = server.state("realm")
    assert state == "warning"
    assert REALM in text
    assert "OTHER.TEST" in text


def make_tickets(server: Server, *users: str) -> Path:
    root = server.layout.tickets
    root.mkdir(parents=True)
    root.chmod(0o711)
    for user in users:
        (root / user).mkdir(mode=0o700)
        shutil.chown(root / user, user)
    return root


def test_ticket_folder_in_order(server: Server) -> None:
    make_tickets(server, USER)
    assert [state for state, _ in server.about("tickets")] == ["ok"]


def test_ticket_folder_that_others_can_write_to_is_a_fault(server: Server) -> None:
    make_tickets(server).chmod(0o777)
    (state, text), _ = server.about("tickets")
    assert state == "fault"
    assert "mode 0777" in text


@pytest.mark.parametrize("kind", ["open", "foreign", "link", "nobody's"])
def test_folder_that_is_not_its_users_alone_is_a_warning(server: Server, kind: str, tmp_path: Path) -> None:
    folder = make_tickets(server, USER) / USER
    if kind == "open":
        folder.chmod(0o755)
    elif kind == "foreign":
        shutil.chown(folder, 0)
    elif kind == "link":
        folder.rmdir()
        folder.symlink_to(tmp_path)
    else:
        folder = folder.rename(folder.with_name("gone-user"))
    _, (state, text) = server.about("tickets")
    assert state == "warning"
    assert folder.name in text


@pytest.fixture
def small(server: Server) -> Iterator[Path]:
    """A ticket folder on a file system of 128 KiB."""
    root = make_tickets(server)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0711", "none", str(root)], check=True)
    yield root
    subprocess.run(["umount", str(root)], check=True)


def test_full_file_system_is_a_fault(server: Server, small: Path) -> None:
    assert server.state("tickets")[0] == "warning"
    (small / ".filler").write_bytes(b"x" * 100 * 1024)
    state, text = server.state("tickets")
    assert state == "fault"
    assert "28 kB free" in text


def test_keytab_of_single_sign_on(server: Server, kdc: MITRealm) -> None:
    server.configure(http_keytab="/etc/http.keytab")
    path = server.layout.below("/etc/http.keytab")
    state, text = server.state("single sign-on")
    assert state == "fault"
    assert f"no keytab at {path}" in text
    shutil.copy(server.keytab, path)
    path.chmod(0o600)
    state, text = server.state("single sign-on")
    assert state == "fault"
    assert "no key of HTTP/" in text
    kdc.run_kadminl(f"addprinc -randkey HTTP/hub.test@{REALM}")
    kdc.run_kadminl(f"ktadd -k {path} HTTP/hub.test@{REALM}")
    state, text = server.state("single sign-on")
    assert state == "ok"
    assert f"HTTP/hub.test@{REALM}" in text


def test_looking_changes_nothing(server: Server) -> None:
    def everything() -> list[tuple[str, int, int]]:
        paths = sorted(server.layout.root.rglob("*"))
        return [(str(path), path.lstat().st_mode, path.lstat().st_ctime_ns) for path in paths]

    make_tickets(server, USER)
    before = everything()
    list(examine(server.layout))
    assert everything() == before
    assert as_user().uid == (server.layout.tickets / USER).stat().st_uid
