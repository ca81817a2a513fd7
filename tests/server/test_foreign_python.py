"""root stands in a folder of somebody else's, in which files have the names of modules: none of them is ever run."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ServerRoot
from hub_support import log_in, password
from hubctl import logfile
from hubctl.oldsite import olddatabase
from hubctl.upgrading import course
from hubctl.upgrading.journal import Before, Journal
from hubctl.upgrading.lock import alone

from tests.waiting import wait_for

NAMES = ("typer", "sqlalchemy", "alembic", "jupyterhub", "hubctl", "tornado", "traitlets")
"""Some of what our own Python loads."""


def lay(folder: Path) -> None:
    """Files with these names, each of which would leave a mark and end the program."""
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'a').write(__name__)\nraise SystemExit(9)\n")


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such a folder, in which the test stands."""
    lay(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_containers(root: ServerRoot) -> None:
    """Of a hub that may run as root."""
    root.settings.write_text(root.settings.read_text().replace("spawner: local", "spawner: docker"))


def test_that_folder_would_be_loaded_from_without_care(foreign: Path) -> None:
    subprocess.run([sys.executable, "-B", "-m", "hubctl", "--version"], capture_output=True)
    assert (foreign / "ran").exists()


def test_the_steps_of_setup_run_nothing_of_it(foreign: Path, server_root: ServerRoot) -> None:
    in_containers(server_root)
    hubctl = Path(sys.prefix, "bin/hubctl")
    done = subprocess.run([hubctl, "--root", server_root.path, "setup", "--check"], capture_output=True, text=True)
    assert "kernelspec" in done.stdout, "hubctl was asked for the kernels" + done.stdout + done.stderr
    assert not (foreign / "ran").exists()


@pytest.fixture
def under_way(server_root: ServerRoot, tmp_path: Path) -> Iterator[course.Course]:
    """An upgrade of this environment, whose hub has a database."""
    in_containers(server_root)
    with closing(sqlite3.connect(server_root.path / "var/lib/jupyterhub/jupyterhub.sqlite")):
        pass
    here = Before(sys.prefix, 0, [])
    with alone(tmp_path / "lock") as held:
        yield course.Course(tmp_path, Journal(str(server_root.path), "2026.11", here, here, [], restart=False), held)


@pytest.mark.parametrize(
    "step",
    [
        course._has_moved,
        course._runs,
        lambda upgrade: course._hubctl(upgrade, "stop"),
    ],
    ids=["the schema is looked at", "the hub is asked for", "the hub is stopped"],
)
def test_the_steps_of_an_upgrade_run_nothing_of_it(
    foreign: Path, under_way: course.Course, step: Callable[[course.Course], object]
) -> None:
    step(under_way)
    assert not (foreign / "ran").exists()


def test_an_upgrade_changes_the_schema_with_the_hubs_own_python_alone(
    foreign: Path, under_way: course.Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This command runs in the folder of the database."""
    monkeypatch.setattr(course, "_has_moved", lambda _: True)
    for path in foreign.glob("*.py"):
        path.rename(under_way.database.parent / path.name)
    course._migrate(under_way)
    assert not (foreign / "ran").exists()


def test_the_writer_of_the_log_runs_nothing_of_its_folder(tmp_path: Path) -> None:
    lay(tmp_path)
    writer = logfile.start_writer(tmp_path / "hub.log")
    assert writer.stdin
    with writer.stdin as speaker:
        speaker.write(b"said\n")
    writer.wait(60)
    assert (tmp_path / "hub.log").read_text() == "said\n"
    assert not (tmp_path / "ran").exists()


def test_the_database_of_an_old_hub_is_brought_up_with_our_own_python_alone(tmp_path: Path) -> None:
    lay(tmp_path)
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as made:
        made.executescript((Path(__file__).with_name("jupyterhub-1.5.sql")).read_text())
        users = dict(made.execute("SELECT name, admin FROM users"))
    copied = olddatabase.Copy(tmp_path / "source.sqlite", tmp_path / "copy.sqlite", users, [])
    olddatabase.upgrade(copied)
    assert not (tmp_path / "ran").exists()


def test_a_users_own_files_do_not_keep_the_users_server_from_starting(server_root: ServerRoot) -> None:
    home = server_root.path / "var/lib/jupyterhub/homes/alice"
    home.mkdir(parents=True)
    lay(home)
    for path in (home.parent, home, *home.iterdir()):
        os.chown(path, server_root.user.uid, server_root.user.gid)
    assert server_root.hubctl("start").returncode == 0
    alice, _ = log_in(server_root, "alice", password(server_root))
    alice.get(f"{server_root.url}/hub/spawn/alice")
    wait_for("alice's server", lambda: alice.get(f"{server_root.url}/user/alice/api").ok)
    assert not (home / "ran").exists()
