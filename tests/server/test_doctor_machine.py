"""`hubctl doctor`: leftovers of a dead hub, taken ports, disks, permissions, SELinux's labels."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ServerRoot, self_signed
from hub_support import another_program_at_its_port, proxy_and_culler, status
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
    with another_program_at_its_port(server_root) as other:
        ((state, found, mend),) = about(server_root, "processes")
        server_root.hubctl("doctor", "--end-leftovers")
        assert other.poll() is None
    assert state == "fault"
    assert found.startswith(f"port {server_root.port} is taken by process {other.pid} (python")
    assert "`hubctl config set port NUMBER`" in mend


def test_running_hub_has_left_nothing(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    pid = status(server_root)["hub_pid"]
    assert about(server_root, "processes") == [("ok", f"the hub runs (process {pid})", "")]


def signalled(pid: int, root: ServerRoot) -> Told:
    """What is said of the answer while a process is stopped, as a debugger or a full disk's wait stops it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        return about(root, "answer")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_hub_that_runs_and_answers_nobody_is_a_fault(server_root: ServerRoot) -> None:
    assert about(server_root, "answer") == [], "a hub that does not run need not answer"
    assert server_root.hubctl("start").returncode == 0
    hub = int(str(status(server_root)["hub_pid"]))
    proxy = int(str(status(server_root)["proxy_pid"]))
    url = f"https://localhost:{server_root.port}"
    assert about(server_root, "answer") == [("ok", f"the hub answers at {url}, through its proxy", "")]

    ((state, found, mend),) = signalled(hub, server_root)
    assert (state, found) == ("fault", f"the hub (process {hub}) does not answer (timed out)")
    assert "`hubctl restart`" in mend

    ((state, found, mend),) = signalled(proxy, server_root)
    assert state == "fault"
    assert found.startswith(f"the hub answers, but its proxy does not, at {url} (")
    assert mend.startswith("`hubctl stop` and `hubctl start` renew it")


def test_a_proxy_that_shows_the_certificate_from_before_is_a_fault(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    self_signed(server_root.certificate.parent)
    for name in ("hub.key", "hub.crt"):
        os.chown(server_root.certificate.with_name(name), server_root.user.uid, server_root.user.gid)
    ((state, _, mend),) = about(server_root, "answer")
    assert (state, mend.partition(" lets ")[0]) == ("fault", "`hubctl reload`")
    assert server_root.hubctl("reload").returncode == 0
    assert [state for state, _, _ in about(server_root, "answer")] == ["ok"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("import os\nc.Spawner.cmd = [\n", 2), ("c.X = 1\n\nif True\n", 3), ("c.X = '\0'\n", 1)],
)
def test_a_python_file_that_keeps_the_hub_from_starting_is_named_with_its_line(
    server_root: ServerRoot, text: str, line: int
) -> None:
    assert [state for state, _, _ in about(server_root, "python")] == ["ok"]
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-fine.py").write_text("raise SystemExit('is looked at, and never executed')\n")
    (folder / "20-broken.py").write_text(text)
    ((state, found, mend),) = about(server_root, "python")
    assert (state, mend) == ("fault", "correct that line; the hub does not start")
    assert found.startswith(f"{folder}/20-broken.py:{line}: ")


@pytest.fixture(scope="module")
def made_database(module_root: ServerRoot) -> bytes:
    """The database of a hub that has run."""
    for command in ("start", "stop"):
        assert module_root.hubctl(command).returncode == 0
    return (module_root.path / "var/lib/jupyterhub/jupyterhub.sqlite").read_bytes()


def put_database(root: ServerRoot, content: bytes) -> Path:
    path = root.path / "var/lib/jupyterhub/jupyterhub.sqlite"
    path.write_bytes(content)
    os.chown(path, root.user.uid, root.user.gid)
    return path


def test_a_whole_database_of_this_jupyterhub_is_in_order(server_root: ServerRoot, made_database: bytes) -> None:
    ((state, found, _),) = about(server_root, "database")
    assert (state, found.endswith("is not there yet: the first start makes it")) == ("ok", True)
    path = put_database(server_root, made_database)
    here = version("jupyterhub")
    assert about(server_root, "database") == [("ok", f"{path} is whole, and has the schema of JupyterHub {here}", "")]


def no_database(content: bytes) -> bytes:
    return b"not one" + content[7:]


def half_of_it(content: bytes) -> bytes:
    return content[: len(content) // 2]


def overwritten(content: bytes) -> bytes:
    """As by a disk that has lost some of its blocks."""
    middle = len(content) // 8192 * 4096
    return content[:middle] + b"\xff" * 4096 + content[middle + 4096 :]


@pytest.mark.parametrize("damage", [no_database, half_of_it, overwritten])
def test_a_damaged_database_is_a_fault(
    server_root: ServerRoot, made_database: bytes, damage: Callable[[bytes], bytes]
) -> None:
    path = put_database(server_root, damage(made_database))
    ((state, found, mend),) = about(server_root, "database")
    assert (state, found.partition(" (")[0]) == ("fault", f"{path} is damaged")
    assert "`hubctl restore FILE` brings a backup back" in mend


@pytest.mark.parametrize(
    ("revision", "state", "said"),
    [
        ("4dc2d5a8c53c", "ok", "the next start gives it the schema of JupyterHub"),
        ("0123456789ab", "fault", "which JupyterHub {here} does not know: a newer one has written it"),
    ],
)
def test_the_schema_of_the_database_has_to_be_one_that_the_hub_knows(
    server_root: ServerRoot, made_database: bytes, revision: str, state: str, said: str
) -> None:
    path = put_database(server_root, made_database)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    ((told, found, _),) = about(server_root, "database")
    assert (told, said.format(here=version("jupyterhub")) in found) == (state, True)


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


@pytest.mark.parametrize(
    "name",
    [
        "opt/conda",
        "opt/conda/bin",
        "opt/conda/envs",
        "opt/conda/envs/hub/bin",
        "opt/conda/envs/hub/bin/python",
        "etc/systemd/system/jupyterhub.service",
        "etc/systemd/system/jupyterhub-proxy.service.d",
        "etc/systemd/system/jupyterhub.service.d/site.conf",
        "etc/pam.d/jupyterhub",
    ],
)
def test_what_root_runs_and_others_can_change_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout, environment = Layout(tmp_path), tmp_path / "opt/conda/envs/hub"
    monkeypatch.setattr("hubctl.layout.environment", lambda: environment)
    drop_ins = [unit.with_name(f"{unit.name}.d") / "site.conf" for unit in (layout.unit, layout.proxy_unit)]
    programs = [environment / "bin/python", tmp_path / "opt/conda/bin/python"]
    for path in (*drop_ins, *programs, layout.unit, layout.pam_service):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o644)
    assert [finding.state for finding in machine.permissions(Settings(), layout)] == ["ok"]
    (tmp_path / name).chmod(0o777)
    (finding,) = machine.permissions(Settings(), layout)
    assert (finding.state, finding.mend) == ("fault", f"chmod go-w {tmp_path / name}")


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
