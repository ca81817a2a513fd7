"""`hubctl start` and `stop`: what they end, what they leave alone, and what keeps a hub from starting."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ServerRoot
from hub_support import (
    ROOT_USER,
    another_program_at_its_port,
    children,
    log_in,
    password,
    proxy_and_culler,
    status,
)
from hubctl import daemon
from hubctl.layout import Layout, hub_config

from tests.waiting import is_running, wait_for


def test_a_hub_that_runs_is_not_started_twice_by_two_starts_at_once(server_root: ServerRoot) -> None:
    command = [sys.executable, "-B", "-m", "hubctl", "--root", str(server_root.path), "start"]
    starts = [
        subprocess.Popen(server_root.user.wrap(*command), stdout=subprocess.PIPE, text=True, cwd="/") for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in starts]
    assert [process.returncode for process in starts] == [0, 0]
    assert sum("runs already" in text for text in said) == 1


def interrupted(root: ServerRoot, command: str, moment: Callable[[], object]) -> str:
    """What hubctl says to ctrl-C at some moment."""
    words = root.user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", root.path, command)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd="/") as process:
        wait_for("the moment", moment)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    return said


def test_a_start_that_is_interrupted_leaves_no_hub_behind(server_root: ServerRoot) -> None:
    layout = Layout(server_root.path)
    hubs = []

    def starts() -> bool:
        hubs.append(daemon.running(layout))
        return hubs[-1] is not None

    said = interrupted(server_root, "start", starts)
    assert said == "hubctl: interrupted: the hub that was starting was ended\n"
    assert hubs[-1]
    assert not hubs[-1].alive
    assert not layout.hub_pid.exists()
    assert not daemon.leftovers(layout)


def test_a_stop_that_is_interrupted_says_how_it_is_finished(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    hub = daemon.running(Layout(server_root.path))
    assert hub
    hub.signal(signal.SIGSTOP)  # takes its time
    asked = Path("/proc", str(hub.pid), "status")
    said = interrupted(server_root, "stop", lambda: "ShdPnd:\t0000000000004000" in asked.read_text())
    hub.signal(signal.SIGCONT)
    assert said == "hubctl: interrupted: what was told to end may not have ended yet, `hubctl stop` finishes it\n"
    server_root.hubctl("stop")
    assert not hub.alive


def test_stop_ends_hub_proxy_and_local_servers_and_nothing_else(
    server_root: ServerRoot, bystander: subprocess.Popen[bytes]
) -> None:
    assert server_root.hubctl("start").returncode == 0
    session, _ = log_in(server_root, "bob", password(server_root))
    session.get(f"{server_root.url}/hub/spawn/bob")
    wait_for("bob's server", lambda: session.get(f"{server_root.url}/user/bob/api").ok)
    found = status(server_root)
    wait_for("proxy, idle culler, bob's server", lambda: len(children(found["hub_pid"])) == 3)
    owned = children(found["hub_pid"])
    done = server_root.hubctl("stop")
    assert (done.returncode, done.stdout) == (0, "The hub was stopped.\n")
    assert not any(map(is_running, [*owned, int(str(found["hub_pid"]))]))
    assert bystander.poll() is None
    done = server_root.hubctl("status")
    assert done.returncode == 3
    assert "hub: does not run" in done.stdout
    done = server_root.hubctl("stop")
    assert (done.returncode, done.stdout) == (0, "The hub does not run.\n")


def test_a_killed_hub_is_started_again_and_what_it_has_left_is_ended(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    before = status(server_root)
    left = proxy_and_culler(before["hub_pid"])
    os.kill(int(str(before["hub_pid"])), signal.SIGKILL)
    wait_for("the hub's end", lambda: not is_running(int(str(before["hub_pid"]))))
    assert all(map(is_running, left))
    done = server_root.hubctl("start")
    assert done.returncode == 0, done.stderr
    after = status(server_root)
    assert after["hub_pid"] != before["hub_pid"]
    assert not any(map(is_running, left))


def test_a_stale_pid_file_whose_number_is_in_use_again_fools_nobody(
    server_root: ServerRoot, bystander: subprocess.Popen[bytes]
) -> None:
    runtime = server_root.path / "run/jupyterhub"
    runtime.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (runtime / "hub.pid").write_text(f"{bystander.pid}\n1\n{boot}\n")
    (runtime / "proxy.pid").write_text(str(bystander.pid))
    for path in (runtime.parent, runtime, *runtime.iterdir()):
        os.chown(path, server_root.user.uid, server_root.user.gid)
    assert "does not run" in server_root.hubctl("stop").stdout
    (runtime / "proxy.pid").write_text(str(bystander.pid))
    assert server_root.hubctl("status").returncode == 3
    done = server_root.hubctl("start")
    assert done.returncode == 0, done.stderr
    assert bystander.poll() is None
    assert server_root.hubctl("stop").returncode == 0
    assert bystander.poll() is None


def test_a_port_that_is_taken_is_named(server_root: ServerRoot) -> None:
    with another_program_at_its_port(server_root):
        done = server_root.hubctl("start")
    assert done.returncode == 1
    assert done.stderr == (
        f"hubctl: Port {server_root.port} is taken by another program: "
        "`hubctl doctor` says which; end it, or change `port` in hub.yaml\n"
    )
    assert server_root.hubctl("status").returncode == 3


def test_a_hub_that_fails_shows_its_last_words(server_root: ServerRoot) -> None:
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-site.py").write_text("\nc.JupyterHub.nothing = no_such_name\n")
    done = server_root.hubctl("start")
    assert done.returncode == 1
    assert "The hub ended with exit code 1" in done.stderr
    assert f"{folder}/10-site.py:2: NameError" in done.stderr
    assert "Traceback" not in done.stderr
    assert server_root.hubctl("status").returncode == 3


def test_wrong_settings_are_told_before_anything_starts(server_root: ServerRoot) -> None:
    server_root.settings.write_text(server_root.settings.read_text() + "spwaner: docker\n")
    for command in (["start"], ["status"], ["config", "validate"], ["config", "show"]):
        done = server_root.hubctl(*command)
        assert done.returncode == 1, command
        assert "hub.yaml:6: spwaner: unknown key, did you mean spawner?" in done.stderr
        assert "Traceback" not in done.stderr
    assert not server_root.log.exists()


def test_broken_settings_keep_nobody_from_learning_whether_the_hub_runs(server_root: ServerRoot) -> None:
    valid = server_root.settings.read_text()
    server_root.settings.write_text("auth: [\n")
    done = server_root.hubctl("status")
    assert (done.returncode, done.stdout) == (1, "hub: does not run\nproxy: does not run\n")
    server_root.settings.write_text(valid)
    assert server_root.hubctl("start").returncode == 0
    found = status(server_root)
    server_root.settings.write_text("auth: [\n")
    done = server_root.hubctl("status")
    assert done.returncode == 1
    for name, pid in (("hub", found["hub_pid"]), ("proxy", found["proxy_pid"])):
        assert f"{name}: runs (process {pid}) since " in done.stdout
    assert done.stderr.startswith(f"hubctl: {server_root.settings}")


def test_programs_read_what_is_known_and_what_is_wrong_where_the_settings_are_broken(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    whole = status(server_root)
    server_root.settings.write_text("auth: [\n")
    done = server_root.hubctl("status", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr == f"hubctl: {found['error']}\n"
    assert found["error"].startswith(f"{server_root.settings}:")
    known = ("hub_pid", "proxy_pid", "versions")
    assert {name: found[name] for name in known} == {name: whole[name] for name in known}
    assert [space["path"] for space in found["disk"]] == [str(server_root.path / "var/lib/jupyterhub")]
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {"url", "answers", "servers", "certificate_days", "tickets", "auth", "spawner"}
    assert (found.keys(), whole["error"]) == (whole.keys(), None)


@pytest.mark.parametrize("killed", [False, True], ids=["a hub that runs", "the proxy of a killed hub"])
def test_broken_settings_keep_nothing_running(server_root: ServerRoot, killed: bool) -> None:
    assert server_root.hubctl("start").returncode == 0
    found = status(server_root)
    hub = int(str(found["hub_pid"]))
    left = proxy_and_culler(hub)
    if killed:
        os.kill(hub, signal.SIGKILL)
        wait_for("the hub's end", lambda: not is_running(hub))
    server_root.settings.write_text("auth: [\n")
    done = server_root.hubctl("stop")
    assert (done.returncode, done.stdout) == (0, "The hub was stopped.\n"), done.stderr
    assert not any(map(is_running, [hub, *left]))


def test_root_is_refused_with_a_shared_password_and_local_servers(server_root: ServerRoot) -> None:
    done = server_root.hubctl_as(ROOT_USER, "start")
    assert done.returncode == 1
    assert "would run notebooks as root" in done.stderr
    assert "ordinary user" in done.stderr


def test_a_big_log_is_put_aside_at_the_next_start(server_root: ServerRoot) -> None:
    with server_root.log.open("wb") as log:
        log.truncate(11 * 1024**2)
    os.chown(server_root.log, server_root.user.uid, server_root.user.gid)
    assert server_root.hubctl("start").returncode == 0
    assert server_root.log.with_name("jupyterhub.log.1").stat().st_size == 11 * 1024**2
    assert server_root.log.stat().st_size < 1024**2


SLOW_PROXY = """\
proxy = c.ConfigurableHTTPProxy.command[0]
c.ConfigurableHTTPProxy.command = ["sh", "-c", 'while [ ! -e {go} ]; do sleep 0.1; done; exec "$0" "$@"', proxy]
"""
"""One that takes as long to load as a test wants."""


def test_a_proxy_that_loads_slowly_as_on_a_busy_machine_is_waited_for_and_looked_after(server_root: ServerRoot) -> None:
    folder, go = server_root.path / "etc/jupyterhub/jupyterhub_config.d", server_root.path / "go"
    folder.mkdir()
    (folder / "10-slow.py").write_text(SLOW_PROXY.format(go=go))
    command = server_root.user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", server_root.path, "start")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/") as start:

        def is_patient() -> bool:
            log = server_root.log.read_text() if server_root.log.exists() else ""
            return start.poll() is not None or "takes long to start" in log

        wait_for("the end of JupyterHub's own patience", is_patient)
        go.touch()
        said = start.communicate(timeout=300)[1]
    assert start.returncode == 0, said
    before = status(server_root)
    os.kill(int(str(before["proxy_pid"])), signal.SIGKILL)
    wait_for("another proxy", lambda: status(server_root)["proxy_pid"] not in (None, before["proxy_pid"]))
    wait_for("the hub's answer", lambda: status(server_root)["answers"])
    assert status(server_root)["hub_pid"] == before["hub_pid"]


def test_start_in_the_foreground_is_the_hub_itself(server_root: ServerRoot) -> None:
    command = [sys.executable, "-B", "-m", "hubctl", "--root", str(server_root.path), "start", "--foreground"]
    with subprocess.Popen(server_root.user.wrap(*command), stderr=subprocess.DEVNULL, cwd="/") as process:
        wait_for("an answer", lambda: status(server_root)["answers"])
        assert status(server_root)["hub_pid"] == process.pid
        assert server_root.hubctl("stop").returncode == 0
        process.wait(timeout=300)


def by_hand(root: ServerRoot) -> list[str]:
    """The command line of somebody who starts the hub as JupyterHub's own manual says."""
    return root.user.wrap(sys.executable, "-B", "-m", "jupyterhub", "--config", hub_config())


def test_the_log_of_an_earlier_hub_is_not_taken_for_that_of_one_that_was_started_as_jupyterhub(
    server_root: ServerRoot, tmp_path: Path
) -> None:
    assert server_root.hubctl("start").returncode == 0
    assert server_root.hubctl("logs").stderr == ""
    server_root.hubctl("stop")
    variables = {**os.environ, "HUBFORGE_ROOT": str(server_root.path)}
    log = tmp_path / "nohup.log"
    with log.open("w") as file, subprocess.Popen(by_hand(server_root), stderr=file, cwd="/", env=variables) as process:
        wait_for("an answer", lambda: status(server_root)["answers"])
        told = server_root.hubctl("logs", "-n", "1")
        server_root.hubctl("stop")
    assert told.stdout
    assert told.stderr == (
        f"hubctl: The hub that runs (process {process.pid}) writes to {log}; what follows is of hubs before it\n"
    )


def test_a_hub_that_was_started_as_jupyterhub_is_known_and_ended_as_any_other(server_root: ServerRoot) -> None:
    elsewhere = {"env": {**os.environ, "HUBFORGE_ROOT": str(server_root.path)}, "cwd": "/", "text": True}
    command = by_hand(server_root)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **elsewhere) as process:  # type: ignore[call-overload]
        wait_for("an answer", lambda: status(server_root)["answers"])
        owned = proxy_and_culler(process.pid)
        assert status(server_root)["hub_pid"] == process.pid
        second = subprocess.run(command, stderr=subprocess.PIPE, **elsewhere)  # type: ignore[call-overload]
        assert (second.returncode, f"another hub runs already (process {process.pid})" in second.stderr) == (1, True)
        assert all(map(is_running, owned)), "the second one left the first one's proxy alone"
        assert "runs already" in server_root.hubctl("start").stdout
        refused = server_root.hubctl("restore", "--yes", "/dev/null")
        assert (refused.returncode, "The hub runs" in refused.stderr) == (1, True)
        assert server_root.hubctl("stop").stdout == "The hub was stopped.\n"
        process.wait(timeout=300)
    assert not any(map(is_running, owned))
