"""`hubctl doctor`: leftovers of a dead hub, taken ports, a hub that answers nobody or can't start, its database."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ServerRoot, self_signed
from hub_support import Told, another_program_at_its_port, proxy_and_culler, status, told_about
from hubctl import systemd
from hubctl.doctor import running
from hubctl.doctor.finding import ok
from hubctl.layout import Layout
from hubctl.settings import load

from tests.waiting import is_running, wait_for


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
    told = told_about(server_root, "processes")
    assert [state for state, _, _ in told] == ["warning", "warning"]
    assert all(f"process {pid} (" in "".join(found for _, found, _ in told) for pid in left)
    assert any(f"which has port {server_root.port} and " in found for _, found, _ in told)
    assert all(map(is_running, left)), "telling ends nothing"

    done = server_root.hubctl("doctor", "--end-leftovers")

    assert "ended: " in done.stderr
    assert not any(map(is_running, left))
    assert bystander.poll() is None
    assert [state for state, _, _ in told_about(server_root, "processes")] == ["ok"]


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
        process.wait(timeout=300)
    os.close(ours)
    assert any(map(is_running, left)) is not ended
    server_root.hubctl("doctor", "--end-leftovers")


def test_program_that_has_a_port_of_the_hub_is_named_and_never_ended(server_root: ServerRoot) -> None:
    with another_program_at_its_port(server_root) as other:
        ((state, found, mend),) = told_about(server_root, "processes")
        server_root.hubctl("doctor", "--end-leftovers")
        assert other.poll() is None
    assert state == "fault"
    assert found.startswith(f"port {server_root.port} is taken by process {other.pid} (python")
    assert "`hubctl config set port NUMBER`" in mend


def test_running_hub_has_left_nothing(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    pid = status(server_root)["hub_pid"]
    assert told_about(server_root, "processes") == [("ok", f"the hub runs (process {pid})", "")]


def signalled(pid: int, root: ServerRoot) -> Told:
    """What is said of the answer while a process is stopped, as a debugger or a full disk's wait stops it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        return told_about(root, "answer")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_hub_that_runs_and_answers_nobody_is_a_fault(server_root: ServerRoot) -> None:
    assert told_about(server_root, "answer") == [], "a hub that does not run need not answer"
    assert server_root.hubctl("start").returncode == 0
    hub = int(str(status(server_root)["hub_pid"]))
    proxy = int(str(status(server_root)["proxy_pid"]))
    url = f"https://localhost:{server_root.port}"
    assert told_about(server_root, "answer") == [("ok", f"the hub answers at {url}, through its proxy", "")]

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
    ((state, _, mend),) = told_about(server_root, "answer")
    assert (state, mend.partition(" lets ")[0]) == ("fault", "`hubctl reload`")
    assert server_root.hubctl("reload").returncode == 0
    assert [state for state, _, _ in told_about(server_root, "answer")] == ["ok"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("import os\nc.Spawner.cmd = [\n", 2), ("c.X = 1\n\nif True\n", 3), ("c.X = '\0'\n", 1)],
)
def test_a_python_file_that_keeps_the_hub_from_starting_is_named_with_its_line(
    server_root: ServerRoot, text: str, line: int
) -> None:
    assert [state for state, _, _ in told_about(server_root, "python")] == ["ok"]
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-fine.py").write_text("raise SystemExit('is looked at, and never executed')\n")
    (folder / "20-broken.py").write_text(text)
    ((state, found, mend),) = told_about(server_root, "python")
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
    ((state, found, _),) = told_about(server_root, "database")
    assert (state, found.endswith("is not there yet: the first start makes it")) == ("ok", True)
    path = put_database(server_root, made_database)
    here = version("jupyterhub")
    assert told_about(server_root, "database") == [
        ("ok", f"{path} is whole, and has the schema of JupyterHub {here}", "")
    ]


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
    ((state, found, mend),) = told_about(server_root, "database")
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
    ((told, found, _),) = told_about(server_root, "database")
    assert (told, said.format(here=version("jupyterhub")) in found) == (state, True)


def test_a_service_that_was_stopped_is_said_not_to_run_and_what_starts_it(
    server_root: ServerRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "runs_the_hub", lambda layout: True)
    monkeypatch.setattr(systemd, "show", lambda *names: {"SubState": "dead", "Result": "success", "NRestarts": "0"})
    layout = Layout(server_root.path)
    assert [*running.service(load(layout.settings), layout)] == [
        ok("jupyterhub.service does not run; `hubctl start` starts it")
    ]
