"""Settings, PAM and the service: what is chosen, and that an administrator's edit stays."""

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from post_install.choices import choose_auth, choose_spawner
from post_install.cli import check, ensure
from post_install.host import Host, run_command

from .post_install_scratch import Commands, listing, make_host, mode

SETTINGS = "/etc/jupyterhub/hub.yaml"
UNIT = "/etc/systemd/system/jupyterhub.service"

KRB5 = """\
[libdefaults]
    default_realm = EX.TEST
[realms]
    OTHER.TEST = {
        kdc = kdc.other.test
    }
"""
DEBIANS = KRB5.replace("EX.TEST", "ATHENA.MIT.EDU").replace("OTHER.TEST", "ATHENA.MIT.EDU")
"""As krb5-config leaves it where nobody has named a realm."""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return make_host(tmp_path)


def ship(host: Host, name: str, add: str) -> None:
    """A newer release changes a default."""
    with (host.config / name).open("a") as file:
        file.write(add)


def test_an_edited_file_stays_and_the_changed_default_arrives_beside_it(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure(host)
    edited = host.at(SETTINGS).read_text().replace("port: 8000", "port: 443")
    host.at(SETTINGS).write_text(edited)
    assert ensure(host) == 0
    new = host.at(f"{SETTINGS}.new")
    assert not new.exists(), "the default has not changed: there is nothing to offer"

    ship(host, "hub.yaml", "named_servers: 0\n")
    assert check(host) == 1
    capsys.readouterr()
    assert ensure(host) == 0
    assert f"{SETTINGS} is edited and stays; the changed default is in {SETTINGS}.new" in capsys.readouterr().out
    assert host.at(SETTINGS).read_text() == edited
    assert new.read_text().endswith("port: 8000\nnamed_servers: 0\n")
    assert mode(host, f"{SETTINGS}.new") == 0o640

    new.unlink()  # taken over by hand
    assert ensure(host) == 0 and check(host) == 0
    assert not new.exists(), "what was offered once is not offered again"


def test_what_the_changed_default_differs_in_is_shown_where_that_is_asked_for(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """The installer does not ask: what it says goes into a log that everybody can read."""
    ensure(host)
    host.at(SETTINGS).write_text(host.at(SETTINGS).read_text().replace("port: 8000", "port: 443"))
    ship(host, "hub.yaml", "named_servers: 0\n")
    capsys.readouterr()
    ensure(replace(host, show_differences=True))
    shown = capsys.readouterr().out.splitlines()
    assert f"+++ {SETTINGS}.new" in shown
    assert {"-port: 443", "+port: 8000", "+named_servers: 0"} <= set(shown)

    ship(host, "hub.yaml", "named_servers: 1\n")
    ensure(host)
    assert "port: 443" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["hub.yaml", "jupyterhub_config.py"])
def test_an_unedited_file_follows_its_default(host: Host, name: str) -> None:
    ensure(host)
    ship(host, name, "# newer\n")
    assert check(host) == 1
    assert ensure(host) == 0
    file = host.at(SETTINGS) if name == "hub.yaml" else host.env / name
    assert file.read_text().endswith("# newer\n")
    assert not file.with_name(f"{name}.new").exists()


def test_a_file_from_before_the_first_install_is_an_edit(host: Host) -> None:
    config = host.env / "jupyterhub_config.py"
    config.write_text("the old site's\n")
    assert ensure(host) == 0
    assert config.read_text() == "the old site's\n"
    assert config.with_name("jupyterhub_config.py.new").read_text() == "configure(c)\n"
    before = listing(host.root, host.prefix)
    assert ensure(host) == 0
    assert listing(host.root, host.prefix) == before


def test_settings_that_are_a_link_to_the_sites_own_are_left_alone(host: Host, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("auth: kerberos\n")
    own.chmod(0o604)
    host.at("/etc/jupyterhub").mkdir()
    host.at(SETTINGS).symlink_to(own)
    assert ensure(host) == 0
    assert host.at(SETTINGS).is_symlink()
    assert (own.read_text(), own.stat().st_mode & 0o777) == ("auth: kerberos\n", 0o604)


def test_a_record_that_cannot_be_read_is_named(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    ensure(host)
    host.at("/var/lib/jupyterhub/installed.json").write_text("[")
    assert ensure(host) == 5
    assert "installed.json can't be understood; remove it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "keytab", "value"),
    [
        ("", False, "pam"),
        ("[libdefaults]\n# default_realm = EX.TEST\n", True, "pam"),
        (KRB5, False, "pam"),
        (KRB5, True, "kerberos"),
        (KRB5.replace("OTHER.TEST", "EX.TEST"), False, "kerberos"),
        (DEBIANS, False, "pam"),
        (DEBIANS, True, "kerberos"),
    ],
    ids=["no krb5.conf", "no realm", "a realm without KDC", "a keytab", "a KDC", "Debian's own", "that with a keytab"],
)
def test_users_log_in_by_kerberos_where_the_host_belongs_to_a_realm(
    host: Host, config: str, keytab: bool, value: str
) -> None:
    if config:
        host.at("/etc/krb5.conf").write_text(config)
    if keytab:
        host.at("/etc/krb5.keytab").write_bytes(b"")
    assert choose_auth(host, "").value == value
    ensure(host)
    assert f"\nauth: {value}         # kerberos | pam" in host.at(SETTINGS).read_text()


@pytest.mark.parametrize(("answer", "value"), [(b"HTTP/1.0 200 OK\r\n\r\nOK", "docker"), (b"", "local")])
def test_servers_run_in_docker_where_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("r")  # a socket's path is short
    (root / "run").mkdir(parents=True)
    host = Host(Path("p"), Path("c"), root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("r/run/docker.sock")
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        choice = choose_spawner(host, "")
        thread.join()
    assert choice.value == value


def test_what_was_chosen_once_stays_until_somebody_asks_for_another(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure(host)
    assert "auth: pam (/etc/krb5.conf names no default_realm), spawner: local (no Docker" in capsys.readouterr().out
    host.at("/etc/krb5.conf").write_text(KRB5)
    host.at("/etc/krb5.keytab").write_bytes(b"")
    ensure(host)
    assert "\nauth: pam " in host.at(SETTINGS).read_text()
    host.auth = "kerberos"
    ensure(host)
    host.auth = ""
    assert ensure(host) == 0 and check(host) == 0
    assert "\nauth: kerberos " in host.at(SETTINGS).read_text()


def test_what_is_asked_for_and_an_edited_file_overrules_is_said(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    ensure(host)
    host.at(SETTINGS).write_text("auth: kerberos\nspawner: local\n")
    host.auth = "shared-password"
    assert ensure(host) == 0
    assert f"not in force: set `auth: shared-password` in {SETTINGS}" in capsys.readouterr().out
    assert host.at(SETTINGS).read_text() == "auth: kerberos\nspawner: local\n"


def test_the_shared_password_is_made_only_where_it_is_used(host: Host) -> None:
    password = host.at("/var/lib/jupyterhub/shared_password")
    ensure(host)
    assert not password.exists()
    host.at(SETTINGS).write_text("auth: 'shared-password'\n")
    ensure(host)
    made = password.read_text()
    assert len(made.strip()) >= 8 and made.strip().isprintable()
    ensure(host)
    assert password.read_text() == made


def test_secrets_have_the_form_that_the_hub_reads(host: Host) -> None:
    ensure(host)
    state = host.at("/var/lib/jupyterhub")
    assert len(bytes.fromhex((state / "cookie_secret").read_text().strip())) == 32
    assert (state / "proxy_token").read_text() != (state / "cookie_secret").read_text()


@pytest.mark.parametrize(("stack", "line"), [("common-auth", "include    common-auth"), ("password-auth", "substack")])
def test_pam_uses_the_distributions_stack_and_asks_for_the_group_first(host: Host, stack: str, line: str) -> None:
    host.at("/etc/pam.d/common-auth").rename(host.at(f"/etc/pam.d/{stack}"))
    ensure(host)
    rules = [rule for rule in host.at("/etc/pam.d/jupyterhub").read_text().splitlines() if rule.startswith("auth")]
    assert "requisite  pam_succeed_if.so" in rules[0] and "user ingroup jupyterhub" in rules[0]
    assert line in rules[1]


def test_a_host_without_pam_is_told(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.at("/etc/pam.d/common-auth").unlink()
    assert ensure(host) == 0
    assert "pam: skipped: no PAM stack" in capsys.readouterr().out
    assert not host.at("/etc/pam.d/jupyterhub").exists()


def test_without_systemd_no_unit_is_installed(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert ensure(host) == 0
    assert "service: skipped: systemd does not run here" in capsys.readouterr().out
    assert not host.at(UNIT).exists()


def test_without_logrotate_it_is_told_nothing(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.at("/usr/sbin/logrotate").unlink()
    assert ensure(host) == 0
    assert "logrotate: skipped: logrotate is not installed" in capsys.readouterr().out
    assert not host.at("/etc/logrotate.d/jupyterhub").exists()


@pytest.fixture
def commands(host: Host) -> Commands:
    """What systemd is told on a host where it runs."""
    host.at("/run/systemd/system").mkdir(parents=True)
    host.run = Commands()
    return host.run


def test_the_service_is_enabled_once_and_not_started(host: Host, commands: Commands) -> None:
    ensure(host)
    ship(host, "jupyterhub.service", "# newer\n")
    ensure(host)
    assert [command[2:] for command in commands.seen if command[0] == "systemctl"] == [["enable", "jupyterhub.service"]]


def test_a_service_that_could_not_be_enabled_is_tried_again(host: Host, commands: Commands) -> None:
    commands.failing = "systemctl"
    assert ensure(host) == 5
    commands.failing = ""
    assert check(host) == 1
    assert ensure(host) == 0 and check(host) == 0


def test_the_unit_runs_the_environments_hub_even_with_odd_characters_in_its_path(tmp_path: Path) -> None:
    odd = tmp_path / "50% off"
    odd.mkdir()
    host = make_host(odd)
    host.at("/run/systemd/system").mkdir(parents=True)
    ensure(host)
    unit = host.at(UNIT).read_text()
    env = str(host.env).replace("%", "%%")
    assert f'\nExecStart="{env}/bin/jupyterhub" -f "{env}/jupyterhub_config.py"\n' in unit
    assert "@ENV@" not in unit


def test_the_unit_is_understood_by_systemd(host: Host, commands: Commands) -> None:
    ensure(host)
    (host.env / "bin").mkdir()
    for name in ("jupyterhub", "hubctl", "python"):
        (host.env / "bin" / name).write_text("#!/bin/sh\n")
        (host.env / "bin" / name).chmod(0o755)
    files = [str(path) for path in host.at(UNIT).parent.glob("jupyterhub*.*")]
    assert len(files) == 3
    ran = run_command(["systemd-analyze", "verify", "--man=no", *files])
    assert (ran.code, ran.complaint) == (0, "")


def test_tickets_survive_a_restart_of_the_hub(host: Host, commands: Commands) -> None:
    ensure(host)
    assert "\nRuntimeDirectoryPreserve=yes\n" in host.at(UNIT).read_text()
    assert "\nd /run/jupyterhub/tickets 0711 root root -\n" in host.at("/etc/tmpfiles.d/jupyterhub.conf").read_text()
