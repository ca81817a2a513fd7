"""Of two that change an installation at the same time, the second is refused, and takes nothing of the first one's."""

import fcntl
import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hubctl import departure, rollback, upgrade
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.upgrade import Plan
from hubctl.upgrading import course, prefix
from hubctl.upgrading.journal import Journal
from hubctl.upgrading.lock import alone
from upgrading_support import BASE, HUB, content, make_database

from tests.waiting import wait_for

pytest_plugins = ["upgrading_support"]


def hold(path: Path, ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with alone(path):
        ready.set()
        done.wait()


@contextmanager
def somebody_changing(folder: Path) -> Iterator[int]:
    """Another process that holds the lock in a folder; its number."""
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(folder / "lock", ready, done))
    other.start()
    ready.wait()
    try:
        assert other.pid
        yield other.pid
    finally:
        done.set()
        other.join()


def test_the_second_change_at_a_time_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    with (
        somebody_changing(tmp_path) as pid,
        pytest.raises(prefix.FailedError, match=f"process {pid} is changing"),
        alone(tmp_path / "lock"),
    ):
        pass
    (tmp_path / "lock").write_text("1\n")  # what a kill leaves, with a number that is another process now
    with alone(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "lock").exists()


def test_a_rollback_while_somebody_changes_the_installation_is_refused_with_their_process(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "_fetch", lambda *_: [])
    with somebody_changing(installation / ".hubforge") as pid:
        before = content(installation)
        with pytest.raises(HubError, match=f"process {pid} is changing"):
            rollback.rollback(to=None, yes=True)
        assert content(installation) == before


def test_an_upgrade_while_another_one_prepares_itself_is_refused_and_takes_nothing_of_it(installation: Path) -> None:
    departure.folder().mkdir()
    (departure.folder() / "finish").write_text("the first one's")
    with somebody_changing(installation / ".hubforge") as pid:
        before = content(installation)
        with pytest.raises(HubError, match=f"process {pid} is changing"):
            upgrade._prepare(Layout(installation), Plan("2026.12", [], set()), restart=False)
        assert content(installation) == before


@pytest.mark.parametrize("step", ["upgrading.lifeboat._link", "upgrading.database.content_to_disk", "upgrade._before"])
def test_an_upgrade_that_is_interrupted_before_it_begins_takes_away_what_it_has_prepared(
    installation: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    layout = Layout(installation)
    layout.state.mkdir(parents=True)
    sqlite3.connect(layout.database).close()
    (installation / "conda-meta").mkdir()
    (installation / "conda-meta/demo-1-0.json").write_text('{"files": ["bin/demo"]}')
    before = content(installation)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"hubctl.{step}", interrupt)
    with pytest.raises(KeyboardInterrupt):
        upgrade._prepare(layout, Plan("2026.12", [], set()), restart=False)
    assert content(installation) == before
    assert not departure.folder().exists()


def test_an_upgrade_after_which_another_one_has_begun_leaves_it_its_journal(installation: Path) -> None:
    departure.folder().mkdir()
    Journal("/", "2026.12", HUB, BASE, altered=[], restart=False).write(departure.folder())
    before = content(installation)
    with pytest.raises(HubError, match="another upgrade or rollback has begun meanwhile"):
        upgrade._prepare(Layout(installation), Plan("2026.13", [], set()), restart=False)
    assert content(installation) == before


STEPS = """\
#!/bin/sh
case "$*" in
*{step}*) mv {hold} {held}; while [ -e {held} ]; do sleep 0.1; done ;;
esac
"""
"""Plays the hub's Python, or conda: whatever it is to run succeeds, and one step takes as long as the test wants."""


class Step:
    """One that outlives the kill of the command that has started it: `kill -9` of one process ends no other one."""

    def __init__(self, folder: Path, words: str) -> None:
        self.hold, self.held = folder / "hold", folder / "held"
        self.text = STEPS.format(step=words, hold=self.hold, held=self.held)
        self.hold.touch()

    def play(self, *programs: Path) -> None:
        """Puts it in place of these."""
        for program in programs:
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(self.text)
            program.chmod(0o755)

    def assert_waited_for(self, command: Callable[[], object], lock: Path) -> None:
        """Kills the command amid the step: its lock is free when the step has ended, and not before."""
        running = multiprocessing.get_context("fork").Process(target=command)
        running.start()
        wait_for("the step", self.held.exists)
        running.kill()
        running.join()
        with lock.open() as file:
            try:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                self.held.unlink()
            fcntl.flock(file, fcntl.LOCK_EX)


@pytest.mark.parametrize("words", ["share/hubforge/post_install", "upgrade-db"])
def test_a_step_that_outlives_the_kill_of_its_upgrade_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.bring", lambda *_: None)
    monkeypatch.setattr(course, "_runs", lambda _: False)
    monkeypatch.setattr(course, "_has_moved", lambda _: True)
    environment, folder, state = tmp_path / "env", tmp_path / "hubforge/upgrade", tmp_path / "var/lib/jupyterhub"
    for made in (folder, state):
        made.mkdir(parents=True)
    make_database(state / "jupyterhub.sqlite", 1)
    step = Step(tmp_path, words)
    step.play(environment / "bin/python")
    hub = replace(HUB, folder=str(environment))
    Journal(str(tmp_path), "2026.11", hub, BASE, altered=[], restart=False).write(folder)
    step.assert_waited_for(partial(course.main, folder, back=False), folder.parent / "lock")


@pytest.mark.parametrize("words", ["--revision", "history.write_specs", "share/hubforge/post_install"])
def test_a_step_that_outlives_the_kill_of_its_rollback_is_waited_for(tmp_path: Path, words: str) -> None:
    environment, folder = tmp_path / "env", tmp_path / "hubforge/upgrade"
    step = Step(tmp_path, words)
    step.play(folder / "conda/bin/python", environment / "bin/python")
    hub = replace(HUB, folder=str(environment))
    begun = Journal(str(tmp_path), "2026.11", hub, BASE, [], restart=False, is_back=True, is_rollback=True)
    begun.write(folder)
    step.assert_waited_for(partial(course.main, folder, back=True), folder.parent / "lock")


@pytest.mark.parametrize("verb", ["bring", "go_back"])
def test_what_notes_the_wanted_release_outlives_the_kill_of_its_upgrade_and_is_waited_for(
    tmp_path: Path, verb: str
) -> None:
    step = Step(tmp_path, "history.write_specs")
    step.play(tmp_path / "python")
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/hubforge-2026.12-0.json").write_text("{}")
    lock = tmp_path / "lock"

    def change() -> None:
        with alone(lock) as held:
            changed = prefix.Prefix(tmp_path, tmp_path, (str(tmp_path / "python"),), (held,))
            changed.bring("hubforge==2026.12") if verb == "bring" else changed.go_back(0, [], "hubforge 2026.11")

    step.assert_waited_for(change, lock)
