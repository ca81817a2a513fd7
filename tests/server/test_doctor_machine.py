"""`hubctl doctor`: leftovers of a dead hub, taken ports, disks, permissions, SELinux's labels."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HubUser, ServerRoot
from hub_support import proxy_and_culler, status, stranger
from hubctl import rollback, upgrade
from hubctl.doctor import examination, installation, machine
from hubctl.doctor.finding import Finding
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.upgrading.journal import Before, Journal

from tests.waiting import is_running, wait_for

Told = list[tuple[str, str, str]]


def about(root: ServerRoot, name: str) -> Told:
    told = json.loads(root.hubctl("doctor", "--json").stdout)
    return [(entry["state"], entry["found"], entry["mend"]) for entry in told if entry["name"] == name]


@pytest.fixture
def bystander(hub_user: HubUser) -> Iterator[subprocess.Popen[bytes]]:
    process = stranger(hub_user)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def left(server_root: ServerRoot) -> list[int]:
    """Proxy and idle culler of a hub that was killed, whose pid files have gone since."""
    assert server_root.hubctl("start").returncode == 0
    found = status(server_root)
    hub = int(str(found["hub_pid"]))
    left = proxy_and_culler(hub)
    os.kill(hub, signal.SIGKILL)
    wait_for("the hub's end", lambda: not is_running(hub))
    for name in ("hub.pid", "proxy.pid"):
        (server_root.path / "run/jupyterhub" / name).unlink()
    return left


def test_leftovers_of_a_dead_hub_are_told_and_ended_where_that_is_wanted(
    server_root: ServerRoot, left: list[int], bystander: subprocess.Popen[bytes]
) -> None:
    told = about(server_root, "processes")
    assert [state for state, _, _ in told] == ["warning", "warning"]
    assert all(f"process {pid} (" in "".join(found for _, found, _ in told) for pid in left)
    assert any(f"which has port {server_root.port} and " in found for _, found, _ in told)
    assert all(map(is_running, left)), "telling ends nothing"

    done = server_root.hubctl("doctor", "--end-leftovers")

    assert "ended: " in done.stderr
    assert not any(map(is_running, left))
    assert bystander.poll() is None
    assert [state for state, _, _ in about(server_root, "processes")] == ["ok"]


@pytest.mark.parametrize(("answer", "ended"), [(b"n\n", False), (b"y\n", True)])
def test_on_a_terminal_it_is_asked_whether_to_end_them(
    server_root: ServerRoot, left: list[int], answer: bytes, ended: bool
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-B", "-m", "hubctl", "--root", str(server_root.path), "doctor"]
    environment = os.environ | {"TERM": "dumb", "HOME": str(server_root.path)}
    with subprocess.Popen(
        server_root.user.wrap(*command), stdin=theirs, stdout=theirs, stderr=theirs, cwd="/", env=environment
    ) as process:
        os.close(theirs)
        said = b""
        while b"End what the dead hub has left" not in said:
            said += os.read(ours, 1000)
        os.write(ours, answer)
        process.wait(timeout=60)
    os.close(ours)
    assert any(map(is_running, left)) is not ended
    server_root.hubctl("doctor", "--end-leftovers")


def test_program_that_has_a_port_of_the_hub_is_named_and_never_ended(server_root: ServerRoot) -> None:
    code = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(); time.sleep(600)"
    )
    command = server_root.user.wrap(sys.executable, "-c", code, str(server_root.port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/") as other:
        assert other.stdout
        other.stdout.readline()
        try:
            ((state, found, mend),) = about(server_root, "processes")
            server_root.hubctl("doctor", "--end-leftovers")
            assert other.poll() is None
        finally:
            other.kill()
    assert state == "fault"
    assert found.startswith(f"port {server_root.port} is taken by process {other.pid} (python")
    assert "`hubctl config set port NUMBER`" in mend


def test_running_hub_has_left_nothing(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    pid = status(server_root)["hub_pid"]
    assert about(server_root, "processes") == [("ok", f"the hub runs (process {pid})", "")]


def test_secret_that_others_can_read_is_a_fault_with_its_mend(server_root: ServerRoot) -> None:
    assert [state for state, _, _ in about(server_root, "permissions")] == ["ok"]
    secret = server_root.path / "var/lib/jupyterhub/cookie_secret"
    secret.write_text("x")
    os.chown(secret, server_root.user.uid, server_root.user.gid)
    secret.chmod(0o640)
    ((state, found, mend),) = about(server_root, "permissions")
    assert (state, found) == ("fault", f"{secret} can be read by others than its owner (mode 0640)")
    subprocess.run(mend, shell=True, check=True)
    assert [state for state, _, _ in about(server_root, "permissions")] == ["ok"]


def test_settings_that_others_can_change_are_a_fault(server_root: ServerRoot) -> None:
    server_root.settings.chmod(0o664)
    ((state, found, mend),) = about(server_root, "permissions")
    assert (state, mend) == ("fault", f"chmod go-w {server_root.settings}")
    assert found == f"{server_root.settings} can be changed by others than its owner (mode 0664)"


def test_python_file_of_another_user_is_a_fault(server_root: ServerRoot) -> None:
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    file = folder / "10-site.py"
    file.write_text("")
    os.chown(file, 1, 1)
    told = about(server_root, "permissions")
    assert ("fault", f"{file} belongs to another user (uid 1)", f"chown root {file}") in told


def test_full_disk_is_a_fault(tmp_path: Path) -> None:
    """A file system of one megabyte, where others have gigabytes."""
    layout = Layout(tmp_path)
    layout.state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", layout.state], check=True)
    try:
        assert next(machine.disk(Settings(), layout)).state == "ok"
        (layout.state / "filler").write_bytes(bytes(1000 * 1024))
        finding = next(machine.disk(Settings(), layout))
    finally:
        subprocess.run(["umount", layout.state], check=True)
    assert finding.state == "fault"
    assert finding.found == f"{layout.state} has 24 kB free"
    assert finding.mend.startswith("free some: `df ")


@pytest.fixture
def selinux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in, since this machine's kernel has no SELinux: restorecon(8) that prints what a file says."""
    (tmp_path / "enforce").write_text("1")
    script = tmp_path / "restorecon"
    script.write_text(f'#!/bin/sh\n[ "$1" = -nRv ] && cat {tmp_path}/says\n')
    script.chmod(0o755)
    (tmp_path / "says").touch()
    monkeypatch.setattr(machine, "_ENFORCE", tmp_path / "enforce")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(("enforcing", "state"), [("1", "fault"), ("0", "warning")])
def test_labels_that_are_not_the_policys_are_told(selinux: Path, enforcing: str, state: str) -> None:
    layout = Layout(selinux / "root")
    layout.state.mkdir(parents=True)
    (selinux / "enforce").write_text(enforcing)
    assert next(machine.selinux(Settings(), layout)).state == "ok"
    key = "/etc/jupyterhub/ssl/hub.key"
    (selinux / "says").write_text(
        f"Would relabel {key} from system_u:object_r:tmp_t:s0 to system_u:object_r:etc_t:s0\n"
    )
    finding = next(machine.selinux(Settings(), layout))
    assert finding.state == state
    assert finding.found.endswith(f"other labels than its policy's: {key}")
    assert finding.mend.startswith(f"restorecon -R {layout.state}")


def test_machine_without_selinux_is_not_told_of_it(server_root: ServerRoot) -> None:
    assert about(server_root, "selinux") == []


def test_status_has_the_disk_and_no_tickets_where_users_have_none(server_root: ServerRoot) -> None:
    found = status(server_root)
    assert found["tickets"] is None
    (space,) = found["disk"] if isinstance(found["disk"], list) else []
    assert 0 < space["free"] < space["total"]
    assert f"disk: {server_root.path}/var/lib/jupyterhub has " in server_root.hubctl("status").stdout


def glibc_of(folder: Path, depends: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What is said of an environment with these packages, as conda has written them down."""
    (folder / "conda-meta").mkdir()
    for name, entries in depends.items():
        (folder / "conda-meta" / f"{name}.json").write_text(json.dumps({"name": name, "depends": entries}))
    monkeypatch.setattr("hubctl.layout.environment", lambda: folder)
    (found,) = machine.glibc(Settings(), Layout(folder))
    return found


def test_packages_of_a_newer_system_than_this_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depends = {"old-1-0": ["python", "__glibc >=2.5"], "new-1-0": ["__glibc >=2.99"], "plain-1-0": []}
    found = glibc_of(tmp_path, depends, monkeypatch)
    assert (found.state, "2.99 is needed by new-1-0" in found.found) == ("fault", True)


def test_packages_with_an_upper_bound_as_well_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As conda-forge's have it."""
    found = glibc_of(
        tmp_path, {"new-1-0": ["__glibc >=2.99,<3.0.a0"], "a-1-0": ["__glibc >=2.17,<3.0.a0 *"]}, monkeypatch
    )
    assert (found.state, "2.99 is needed by new-1-0" in found.found) == ("fault", True)


def test_half_written_record_of_a_killed_conda_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/half-1-0.json").write_text('{"name": "ha')
    (tmp_path / "conda-meta/whole-1-0.json").write_text('{"depends": ["__glibc >=2.5"]}')
    monkeypatch.setattr("hubctl.layout.environment", lambda: tmp_path)
    half, rest = machine.glibc(Settings(), Layout(tmp_path))
    assert half.state == "fault"
    assert half.found.startswith(f"{tmp_path}/conda-meta/half-1-0.json is half-written")
    assert "hub-installer.sh -f" in half.mend
    assert (rest.state, "need 2.5 or less" in rest.found) == ("ok", True)


def test_a_check_that_fails_itself_says_so_and_the_others_go_on(
    server_root: ServerRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Finding]:
        raise ValueError("no such\n  number")

    checks = [examination.Check("first", broken), examination.Check("second", machine.disk)]
    monkeypatch.setattr(examination, "CHECKS", checks)
    _, (name, failed), (following, _), *_ = examination.examine(Layout(server_root.path))
    assert (name, failed.state) == ("first", "fault")
    assert failed.found == "this could not be looked at: ValueError: no such number"
    assert following == "second"


def test_packages_that_this_system_can_run_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = glibc_of(tmp_path, {"old-1-0": ["__glibc >=2.5"], "older-1-0": ["__glibc >=2.12"]}, monkeypatch)
    assert (found.state, "need 2.12 or less" in found.found) == ("ok", True)


def test_a_change_of_the_installation_that_was_interrupted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> Finding:
        (told,) = installation.check(Settings(), Layout(tmp_path))
        return told

    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    (tmp_path / ".hubforge/upgrade").mkdir(parents=True)
    assert found().state == "ok"
    for name, command in (("installing", "hub-installer.sh"), ("rollback", "hubctl rollback")):
        (tmp_path / ".hubforge" / name).write_text("{}")
        assert (found().state, command in found().mend) == ("fault", True)
    Journal("/", "2026.12", Before("", 0, []), Before("", 0, []), [], restart=False).write(
        tmp_path / ".hubforge/upgrade"
    )
    assert "an upgrade to release 2026.12" in found().found


@pytest.mark.parametrize("content", ["", '{"root": "/"', "[]", '{"root": "/"}'], ids=["empty", "half", "list", "other"])
def test_an_upgrade_whose_journal_is_damaged_is_told_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    file = tmp_path / ".hubforge/upgrade/journal.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    (told,) = installation.check(Settings(), Layout(tmp_path))
    assert told.state == "fault"
    assert f"{file} is damaged" in told.found
    assert "hub-installer.sh -u -f" in told.mend
    for command in (upgrade.upgrade, rollback.rollback):
        with pytest.raises(HubError, match=f"{file} is damaged.*hub-installer.sh -u -f"):
            command()
