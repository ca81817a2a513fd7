"""Key and certificate, and all that `hubctl restore` brings: after `kill -9` at any point all old, or all new."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from conftest import ServerRoot, self_signed
from hubctl import backup, newpair, onestep, restore
from hubctl import layout as places
from hubctl.layout import Layout
from hubctl.tlspair import Files
from kill_support import killed
from power_support import Power

SSL = "etc/jupyterhub/ssl"
PYTHON = "etc/jupyterhub/jupyterhub_config.d"


@pytest.fixture
def folder() -> Iterator[Path]:
    """For what is put in place."""
    with tempfile.TemporaryDirectory(prefix="hubforge-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def state(root: Path) -> dict[str, bytes]:
    """The files of a hub, but for what is kept of the ones before."""
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    kept = (".crt.2", ".key.2", "before-restore-")
    return {
        str(path.relative_to(root)): path.read_bytes() for path in files if not any(part in path.name for part in kept)
    }


def outcomes(server_root: ServerRoot, folder: Path, act: Callable[[Layout], object]) -> Iterator[dict[str, bytes]]:
    """What a hub is when `act` was killed at the first change of a name, the second, and so on, and was then finished;
    what it is when `act` was not killed comes last."""
    before = folder / "before"
    shutil.copytree(server_root.path, before)
    for number in count(1):
        shutil.rmtree(server_root.path)
        shutil.copytree(before, server_root.path)
        layout = Layout(server_root.path)
        was_killed = killed(partial(act, layout), number, server_root.path)
        onestep.finish(layout)
        yield state(server_root.path)
        if not was_killed:
            return


def test_killed_installation_of_a_certificate_leaves_a_pair(server_root: ServerRoot, folder: Path) -> None:
    self_signed(folder)
    given = Files(folder / "hub.key", folder / "hub.crt")

    def install(layout: Layout) -> None:
        target = Files(layout.below(f"/{SSL}/hub.key"), layout.below(f"/{SSL}/hub.crt"))
        newpair.install(given, target, ["localhost"], layout)

    old = state(server_root.path)
    new = old | {f"{SSL}/{path.name}": path.read_bytes() for path in (given.key, given.cert)}
    found = [names_of(after, old=old, new=new) for after in outcomes(server_root, folder, install)]
    assert found == sorted(found, reverse=True)  # old ones, from some point on new ones, and nothing between
    assert (found.count("old") > 2, found.count("new") > 3) == (True, True)


def names_of(files: dict[str, bytes], **known: dict[str, bytes]) -> str:
    """Which of the known states this is; what a killed command had prepared aside, which the next one replaces."""
    visible = {name: data for name, data in files.items() if "/." not in name}
    found = [name for name, expected in known.items() if visible == expected]
    differences = {
        name: sorted(path for path in visible.keys() | expected.keys() if visible.get(path) != expected.get(path))
        for name, expected in known.items()
    }
    assert found, differences
    return found[0]


def test_killed_restoration_leaves_one_hub_or_the_other(server_root: ServerRoot, folder: Path) -> None:
    layout = Layout(server_root.path)
    (server_root.path / PYTHON).mkdir()
    for name in ("10-both.py", "20-then.py"):
        (server_root.path / PYTHON / name).write_text("then = True\n")
    layout.proxy_token.write_text("then\n")
    backup.write(folder / "then.tar.gz", layout)
    then = state(server_root.path)
    (server_root.path / PYTHON / "20-then.py").rename(server_root.path / PYTHON / "30-now.py")
    (server_root.path / PYTHON / "10-both.py").write_text("then = False\n")
    layout.proxy_token.write_text("now\n")
    self_signed(server_root.path / SSL)
    layout.database.with_name("jupyterhub.sqlite-journal").write_text("now")
    now = state(server_root.path)
    then |= {f"{PYTHON}/30-now.py.before-restore": now[f"{PYTHON}/30-now.py"]}

    def back(layout: Layout) -> None:
        restore.restore(folder / "then.tar.gz", layout)

    found = [names_of(after, now=now, then=then) for after in outcomes(server_root, folder, back)]
    assert found == sorted(found)
    assert (found.count("now") > 2, found.count("then") > 8) == (True, True)


def test_a_power_cut_takes_nothing_of_what_the_journal_speaks_of(server_root: ServerRoot, folder: Path) -> None:
    """Nor does it bring back the journal of a command that has ended, or what was removed."""
    layout = Layout(server_root.path)
    backup.write(folder / "then.tar.gz", layout)
    shutil.rmtree(server_root.path / SSL)
    layout.database.with_name("jupyterhub.sqlite-journal").write_text("now")
    with Power(server_root.path, layout.journal.name) as power:
        restore.restore(folder / "then.tar.gz", layout)
    assert (power.before_the_journal, power.before_its_end) == ([set()], [set()])
    assert power.cut() == set()


def test_the_same_command_leaves_nothing_of_the_killed_one(server_root: ServerRoot, folder: Path) -> None:
    layout = Layout(server_root.path)
    backup.write(folder / "then.tar.gz", layout)
    for number in range(1, 4):
        assert killed(lambda: restore.restore(folder / "then.tar.gz", layout), number, server_root.path)
    restore.restore(folder / "then.tar.gz", layout)
    assert [name for name in state(server_root.path) if "/." in name or "unfinished" in name] == []


KILLED = """
import os, signal, sys
def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("/hub.crt"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from hubctl.cli import main
main()
"""
"""`hubctl` that is killed when the new key is there, and the new certificate is not."""


@pytest.fixture
def between(server_root: ServerRoot, folder: Path) -> Files:
    """A server whose `hubctl cert install` was killed between the two files; the new pair."""
    self_signed(folder)
    for name in ("hub.key", "hub.crt"):
        os.chown(folder / name, server_root.user.uid, server_root.user.gid)
    pair = (folder / "hub.key", folder / "hub.crt")
    arguments: list[str | Path] = ["--root", server_root.path, "cert", "install", *pair]
    command = server_root.user.wrap(sys.executable, "-B", "-c", KILLED, *arguments)
    done = subprocess.run(command, cwd="/", env=os.environ | {"HOME": str(server_root.path)}, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert server_root.certificate.with_name("hub.key").read_bytes() == (folder / "hub.key").read_bytes()
    assert server_root.certificate.read_bytes() != (folder / "hub.crt").read_bytes()
    return Files(folder / "hub.key", folder / "hub.crt")


def test_the_next_command_finishes_it_and_says_so(server_root: ServerRoot, between: Files) -> None:
    done = server_root.hubctl("cert", "check", "--host", "localhost")
    assert done.returncode == 0, done.stdout
    assert "a command before this one was interrupted; it is finished now" in done.stderr
    assert server_root.certificate.read_bytes() == between.cert.read_bytes()
    assert server_root.hubctl("cert", "check", "--host", "localhost").stderr == ""


def test_a_restoration_that_is_refused_midway_says_so_and_the_next_command_finishes_it(server_root: ServerRoot) -> None:
    """Nothing takes the place of a file that something is mounted on."""
    assert server_root.hubctl("backup", str(server_root.path / "hub.tar.gz")).returncode == 0
    self_signed(server_root.path / SSL)
    for name in ("hub.key", "hub.crt"):
        os.chown(server_root.path / SSL / name, server_root.user.uid, server_root.user.gid)
    certificate = server_root.certificate
    subprocess.run(["mount", "--bind", certificate, certificate], check=True)
    try:
        done = server_root.hubctl("restore", "--yes", str(server_root.path / "hub.tar.gz"))
    finally:
        subprocess.run(["umount", certificate], check=True)
    assert done.returncode == 1
    assert done.stderr.startswith("hubctl: Not all of it is in place: ")
    assert done.stderr.endswith(": Device or resource busy: mend it; the next `hubctl` goes on\n")
    assert "it is finished now" in server_root.hubctl("cert", "check", "--host", "localhost").stderr
    assert server_root.hubctl("cert", "check", "--host", "localhost").returncode == 0


def test_a_hub_that_is_started_by_something_else_finishes_it_as_well(server_root: ServerRoot, between: Files) -> None:
    """As systemd does after a power cut; `--show-config` reads the configuration and starts nothing."""
    config = Path(__file__).parents[2] / "config/jupyterhub_config.py"
    command = server_root.user.wrap(sys.executable, "-m", "jupyterhub", "--config", config, "--show-config")
    variables = os.environ | {"HUBFORGE_ROOT": str(server_root.path), "HOME": str(server_root.path)}
    subprocess.run(command, cwd=server_root.path, env=variables, capture_output=True, check=True)
    assert server_root.certificate.read_bytes() == between.cert.read_bytes()


def test_the_steps_of_an_installer_finish_it_first(server_root: ServerRoot, between: Files) -> None:
    """As `hub-installer.sh -u` runs them. They would refuse the new key with the old certificate."""
    steps: list[str | Path] = [places.shipped("post_install"), "--root", server_root.path]
    steps += ["--prefix", places.base_prefix()]
    command = server_root.user.wrap(sys.executable, "-I", "-B", *steps, "--only", "tls")
    done = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-2:]) == (0, ["tls: ok", "nothing changed"]), done.stderr
    assert "a command before this one was interrupted; it is finished now" in done.stdout
    assert server_root.certificate.read_bytes() == between.cert.read_bytes()


def test_what_can_not_be_finished_stops_the_steps(server_root: ServerRoot, between: Files) -> None:
    journal = Layout(server_root.path).journal
    os.chown(journal, 12345, 12345)  # it is not carried out then
    steps: list[str | Path] = [places.shipped("post_install"), "--root", server_root.path]
    steps += ["--prefix", places.base_prefix()]
    done = subprocess.run(
        server_root.user.wrap(sys.executable, "-I", "-B", *steps), cwd="/", capture_output=True, text=True
    )
    assert (done.returncode, f"failed: {journal}: what an interrupted hubctl" in done.stderr) == (5, True)
    assert ": ok" not in done.stdout


def test_what_another_user_has_written_there_is_not_carried_out(server_root: ServerRoot, folder: Path) -> None:
    """Whose rights could be more than those of who wrote it."""
    layout = Layout(server_root.path)
    (folder / "precious").write_text("")
    layout.journal.write_text(f'{{"gone": ["{folder}/precious"], "names": {{}}}}')
    os.chown(layout.journal, 12345, 12345)
    assert server_root.hubctl("cert", "check").returncode == 0
    onestep.finish(layout)
    onestep.change(layout, {})
    assert (folder / "precious").exists()
