"""The whole of it: what a first, a second, a checking and a failing run say and do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from post_install.cli import check, ensure
from post_install.files import write
from post_install.host import Host, StepError
from post_install.steps import STEPS

from .post_install_scratch import Commands, listing, make_host, mode

ROOT = Path(__file__).resolve().parents[2]

as_root = pytest.mark.usefixtures("root")

PLACES = {
    "/etc/jupyterhub": 0o755,
    "/etc/jupyterhub/hub.yaml": 0o640,
    "/etc/jupyterhub/jupyterhub_config.d": 0o755,
    "/etc/jupyterhub/ssl": 0o700,
    "/etc/jupyterhub/ssl/hub.key": 0o600,
    "/etc/jupyterhub/ssl/hub.crt": 0o600,
    "/var/lib/jupyterhub": 0o700,
    "/var/lib/jupyterhub/cookie_secret": 0o600,
    "/var/lib/jupyterhub/proxy_token": 0o600,
    "/var/lib/jupyterhub/installed.json": 0o644,
    "/var/lib/jupyterhub/prefix": 0o644,
    "/var/log/jupyterhub": 0o750,
    "/shared/jupyterhub": 0o2775,
    "/etc/pam.d/jupyterhub": 0o644,
    "/etc/systemd/system/jupyterhub.service": 0o644,
    "/etc/systemd/system/jupyterhub-proxy.service": 0o644,
    "/etc/systemd/system/jupyterhub.slice": 0o644,
    "/etc/tmpfiles.d/jupyterhub.conf": 0o644,
    "/etc/logrotate.d/jupyterhub": 0o644,
}


@pytest.fixture
def root() -> None:
    assert os.geteuid() == 0, "only root changes owners; `make test` runs as root"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = make_host(tmp_path)
    made.at("/run/systemd/system").mkdir(parents=True)
    return made


def test_every_place_has_its_mode_whatever_the_umask(host: Host) -> None:
    before = os.umask(0o077)
    try:
        assert ensure(host) == 0
    finally:
        os.umask(before)
    assert {path: oct(mode(host, path)) for path in PLACES} == {path: oct(bits) for path, bits in PLACES.items()}
    assert (host.env / "jupyterhub_config.py").read_text() == "configure(c)\n"
    assert (host.env / "jupyterhub_config.py").stat().st_mode & 0o777 == 0o644
    # The system's own folders that a bare root lacked are open to all, as everywhere.
    assert mode(host, "/shared") == mode(host, "/var/lib") == 0o755


@as_root
def test_every_place_has_its_owner(host: Host) -> None:
    os.chown(host.root / "etc", 0, 0)
    ensure(host)
    group = host.group_id("jupyterhub")
    assert group
    owners = {path: (host.at(path).stat().st_uid, host.at(path).stat().st_gid) for path in PLACES}
    assert owners == {path: (0, group if path == "/shared/jupyterhub" else 0) for path in PLACES}


def test_a_second_run_changes_nothing_and_says_so(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    ensure(host)
    before = listing(host.root, host.prefix)
    capsys.readouterr()
    commands = host.run = Commands()
    assert ensure(host) == 0
    said = capsys.readouterr().out
    assert said.endswith("nothing changed\n") and "changed:" not in said
    assert listing(host.root, host.prefix) == before
    assert not [command for command in commands.seen if command[0] in ("systemctl", "systemd-tmpfiles", "groupadd")]


def test_check_writes_nothing_and_tells_by_its_exit_code(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(host.root, host.prefix)
    assert check(host) == 1
    assert "settings: missing: /etc/jupyterhub/hub.yaml is missing" in capsys.readouterr().out
    assert listing(host.root, host.prefix) == before
    ensure(host)
    before = listing(host.root, host.prefix)
    assert check(host) == 0
    assert listing(host.root, host.prefix) == before


def test_check_tells_programs_the_same(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    names = [step.name for step in STEPS]
    assert check(host, as_json=True) == 1
    told = {step["name"]: step for step in json.loads(capsys.readouterr().out)}
    assert list(told) == names
    missing = "/etc/jupyterhub/hub.yaml is missing"
    assert told["settings"] == {"name": "settings", "state": "missing", "found": [missing]}
    ensure(host)
    shutil.rmtree(host.at("/run/systemd/system"))
    capsys.readouterr()
    assert check(host, as_json=True) == 0
    told = {step["name"]: step for step in json.loads(capsys.readouterr().out)}
    assert told["settings"] == {"name": "settings", "state": "ok", "found": []}
    reason = "systemd does not run here"
    assert told["service"] == {"name": "service", "state": "skipped", "found": [reason]}


# A lost record is no fault (files then count as edited), and a lone certificate may be somebody's: see the TLS tests.
@pytest.mark.parametrize("path", [p for p in PLACES if not p.endswith(("installed.json", "/prefix", "hub.key"))])
def test_whatever_is_lost_is_seen_and_made_again(host: Host, path: str) -> None:
    ensure(host)
    lost = host.at(path)
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    assert check(host) == 1
    assert ensure(host) == 0
    assert check(host) == 0 and oct(mode(host, path)) == oct(PLACES[path])


@pytest.mark.parametrize("path", [p for p in PLACES if not p.endswith(("installed.json", "/prefix"))])
def test_a_mode_that_is_too_open_is_seen_and_closed(host: Host, path: str) -> None:
    ensure(host)
    host.at(path).chmod(0o777)
    if path == "/shared/jupyterhub":  # more than it needs is the administrator's choice, but setgid it needs
        ensure(host)
        assert oct(mode(host, path)) == oct(0o2777)
        return
    assert check(host) == 1
    assert ensure(host) == 0
    assert check(host) == 0 and mode(host, path) & 0o022 == 0


@as_root
@pytest.mark.parametrize("path", [p for p in PLACES if not p.endswith(("installed.json", "/prefix"))])
def test_a_wrong_owner_is_seen_and_repaired(host: Host, path: str) -> None:
    ensure(host)
    right = host.at(path).stat().st_gid
    os.chown(host.at(path), 12345, 12345)
    assert check(host) == 1
    assert ensure(host) == 0
    assert check(host) == 0
    assert (host.at(path).stat().st_uid, host.at(path).stat().st_gid) == (0, right)
    assert mode(host, path) == PLACES[path]


@pytest.mark.parametrize(
    "path", ["/etc/jupyterhub", "/var/lib/jupyterhub", "/shared/jupyterhub", "/etc/jupyterhub/ssl"]
)
def test_a_symbolic_link_in_place_of_a_folder_is_refused_by_name(
    host: Host, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o711)
    host.at(path).parent.mkdir(parents=True, exist_ok=True)
    host.at(path).symlink_to(elsewhere)
    before = listing(elsewhere)
    assert check(host) == 1
    assert f"{host.at(path)} is a symbolic link" in capsys.readouterr().out
    assert ensure(host) == 5
    assert f"failed: {host.at(path)} is a symbolic link" in capsys.readouterr().err
    assert listing(elsewhere) == before


@pytest.mark.parametrize("link", ["/var", "/shared", "/etc/systemd"])
def test_a_link_above_ours_does_not_lead_out_of_the_root(host: Host, link: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    host.at(link).symlink_to(elsewhere)
    assert ensure(host) == 5
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["cookie_secret", "proxy_token"])
def test_a_symbolic_link_in_place_of_a_secret_is_refused(
    host: Host, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure(host)
    target = tmp_path / "target"
    target.write_text("a" * 64 + "\n")
    target.chmod(0o644)
    secret = host.at(f"/var/lib/jupyterhub/{name}")
    secret.unlink()
    secret.symlink_to(target)
    assert ensure(host) == 5
    assert f"{secret} is a symbolic link" in capsys.readouterr().err
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_file_where_a_folder_belongs_stays_and_is_named(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.at("/var/log").mkdir(parents=True)
    host.at("/var/log/jupyterhub").write_text("mine")
    assert ensure(host) == 5
    assert f"{host.at('/var/log/jupyterhub')} is something else, where a folder belongs" in capsys.readouterr().err
    assert host.at("/var/log/jupyterhub").read_text() == "mine"


def test_a_failed_step_is_named_once_and_last_with_the_reason_and_others_go_on(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure(host)
    host.at("/var/lib/jupyterhub/cookie_secret").write_text("no hex\n")
    host.at("/etc/pam.d/jupyterhub").unlink()
    capsys.readouterr()
    assert ensure(host) == 5
    said = capsys.readouterr()
    assert "secrets" not in said.out
    assert said.err == (
        "secrets: failed: /var/lib/jupyterhub/cookie_secret does not hold 64 hexadecimal digits: "
        "remove it to have a new one made\n"
    )
    assert host.at("/etc/pam.d/jupyterhub").exists()
    assert host.at("/var/lib/jupyterhub/cookie_secret").read_text() == "no hex\n"


def test_nothing_half_written_stays_when_a_write_fails(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(host, "/etc/jupyterhub/hub.yaml", b"auth: pam\n", 0o640)
    assert list(host.at("/etc/jupyterhub").iterdir()) == []


def test_a_full_disk_is_told_in_a_sentence(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert ensure(host) == 5
    assert "No space left on device" in capsys.readouterr().err


def test_without_root_a_folder_that_stands_for_the_host_is_set_up_all_the_same(tmp_path: Path) -> None:
    host = make_host(tmp_path, is_root=False)
    assert ensure(host) == 0
    assert mode(host, "/var/lib/jupyterhub/cookie_secret") == 0o600
    assert "jupyterhub" not in host.at("/etc/group").read_text()
    assert ensure(host) == 0 and check(host) == 0


def test_without_root_the_real_host_is_left_alone_and_the_prefix_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = make_host(tmp_path, is_root=False)
    host.root = Path("/")
    commands = host.run = Commands()
    assert ensure(host) == 0
    said = capsys.readouterr().out
    assert said.count("skipped: needs root") == 10
    assert "prefix: changed" in said
    assert commands.seen == []


def test_a_check_without_root_says_what_it_could_not_look_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = make_host(tmp_path, is_root=False)
    host.root = Path("/")
    steps = [step for step in STEPS if step.name in ("tls", "prefix", "secrets")]
    assert check(host, steps) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "only root can look at tls, secrets; for the rest: 1 of 3 steps have something to do"
    )
    assert ensure(host, steps) == 0
    capsys.readouterr()
    assert check(host, steps) == 3
    assert capsys.readouterr().out.splitlines() == [
        "tls: not looked at: needs root",
        "prefix: ok",
        "secrets: not looked at: needs root",
        "only root can look at tls, secrets; for the rest: nothing is missing",
    ]


def test_the_command_line_runs_from_any_folder_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    host = make_host(tmp_path)
    shipped = tmp_path / "share"
    shutil.copytree(ROOT / "post_install", shipped / "post_install")
    shutil.copytree(host.config, shipped / "config")
    places = [str(shipped / "post_install"), "--root", str(host.root), "--prefix", str(host.prefix)]
    command = [sys.executable, "-I", "-S", "-B", *places]
    forced = [*command, "--auth", "shared-password", "--spawner", "local"]
    first = subprocess.run(forced, cwd=tmp_path, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "auth: shared-password (as asked for), spawner: local (as asked for)" in first.stdout
    assert len(host.at("/var/lib/jupyterhub/shared_password").read_text().strip()) >= 8
    assert mode(host, "/var/lib/jupyterhub/shared_password") == 0o600
    second = subprocess.run([*command, "--check"], cwd="/", capture_output=True, text=True)
    assert (second.returncode, second.stdout.splitlines()[-1]) == (0, "everything is in place")
    host.at("/var/lib/jupyterhub/cookie_secret").unlink()
    one = subprocess.run([*command, "--only", "tls"], cwd="/", capture_output=True, text=True)
    assert one.stdout.splitlines()[-2:] == ["tls: ok", "nothing changed"]


def test_the_installer_runs_the_steps_with_the_environments_own_python(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    environment = prefix / "envs" / "jupyterhubenv"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@"\nexit 5\n')
    python.chmod(0o755)
    ran = subprocess.run(
        ["sh", ROOT / "post_install" / "install.sh"], env={"PREFIX": str(prefix)}, capture_output=True, text=True
    )
    assert ran.stdout == f"-I -B {environment}/share/hubforge/post_install --prefix {prefix}\n"
    assert ran.returncode == 5


def test_a_step_that_is_refused_explains_itself() -> None:
    assert str(StepError("x is y", "do z")) == "x is y; do z"
