"""What ``hubctl upgrade`` leaves on the disk so that it can be gone on with, and gone back from."""

import json
import os
import sqlite3
import stat
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hubctl import departure, upgrade
from hubctl.layout import Layout
from hubctl.upgrade import Plan
from hubctl.upgrading import course, database, journal, lifeboat, prefix
from hubctl.upgrading.journal import Journal
from kill_support import killed
from power_support import Power
from upgrading_support import BASE, HUB, make_database, numbers

pytest_plugins = ["upgrading_support"]


def test_the_journal_says_how_far_it_has_come(tmp_path: Path) -> None:
    assert journal.read(tmp_path) is None
    begun = Journal("/", "2026.11", HUB, BASE, altered=[], restart=True)
    begun.write(tmp_path)
    assert journal.read(tmp_path) == begun
    begun.write(tmp_path, is_stopped=True)
    assert journal.read(tmp_path) == replace(begun, is_stopped=True)
    assert begun.release_before == "2026.10"
    assert [path.name for path in tmp_path.iterdir()] == ["journal.json"]


def test_the_copy_of_the_database_is_whole_while_somebody_writes_and_is_for_root_alone(tmp_path: Path) -> None:
    made, copy = tmp_path / "hub.sqlite", tmp_path / "copy"
    make_database(made, 1, 2)
    with closing(sqlite3.connect(made)) as writing:
        writing.execute("INSERT INTO numbers VALUES (3)")
        database.snapshot(made, copy)
    assert numbers(copy) == [1, 2]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_the_database_goes_back_with_nothing_of_what_came_since(tmp_path: Path) -> None:
    made, copy = tmp_path / "hub.sqlite", tmp_path / "copy"
    make_database(made, 1)
    database.snapshot(made, copy)
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO numbers VALUES (2)")
        connection.commit()
        database.put_back(copy, made)
    assert numbers(made) == [1]
    assert copy.exists()


def test_the_copy_of_base_outlives_base(tmp_path: Path) -> None:
    base, folder = tmp_path / "base", tmp_path / "upgrade"
    (base / "bin").mkdir(parents=True)
    (base / "bin/python3").write_text("a program")
    (base / "bin/python").symlink_to("python3")
    (base / "mine").write_text("of no package")
    (base / "conda-meta").mkdir()
    (base / "conda-meta/python.json").write_text(json.dumps({"files": ["bin/python3", "bin/python", "lib/removed"]}))
    lifeboat.launch(base, folder)
    for name in ("python3", "python"):
        (base / "bin" / name).unlink()
    assert (folder / "conda/bin/python").read_text() == "a program"
    assert not (folder / "conda/mine").exists()
    assert os.access(folder / "finish", os.X_OK)
    assert (folder / "upgrading/__main__.py").exists()


def test_a_release_that_conda_leaves_out_without_a_word_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(prefix.FailedError, match=r"hubforge==2026\.12 into .*left it out"):
        prefix.Prefix(tmp_path, tmp_path, (str(tmp_path / "python"),)).bring("hubforge==2026.12")


def test_what_a_killed_conda_has_left_of_its_own_goes_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / ".condatmp/0f").mkdir(parents=True)
    (tmp_path / ".tmpabcdefgh").write_text("lib/python3.13/site-packages/idna/core.py\n")
    (tmp_path / ".tmp01234567").write_text('eval "$(conda shell.posix hook)"\npython -Wi -m compileall -q -l -i list\n')
    (tmp_path / ".tmpempty___").touch()
    (tmp_path / ".tmpnotconda").write_text("a person's")
    for name in ("lib/idna/core.py.c~", "envs/other/core.py.c~"):  # another environment is another one's
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    prefix.sweep(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".tmpnotconda", "envs/other/core.py.c~"}


@pytest.mark.parametrize(
    "by_hubctl", [True, False], ids=["changed by hubctl", "changed by a hub that somebody started"]
)
def test_the_way_back_gets_to_its_end_wherever_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hubctl: bool
) -> None:
    """Of the database and the journal; conda and the hub are played, whose kills are tested with the real ones."""
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", lambda *_: None)
    monkeypatch.setattr(course, "_set_up", lambda _: None)
    monkeypatch.setattr(course, "_hubctl", lambda *_: None)
    monkeypatch.setattr(course, "_runs", lambda _: True)
    monkeypatch.setattr(course, "_has_moved", lambda upgrade: numbers(upgrade.database) == [2])
    points, interrupted = 0, True
    while interrupted:
        points += 1
        root, folder = tmp_path / str(points), tmp_path / str(points) / "prefix/upgrade"
        state = root / "var/lib/jupyterhub"
        state.mkdir(parents=True)
        folder.mkdir(parents=True)
        make_database(state / "jupyterhub.sqlite", 2)
        make_database(state / database.NEW, 1)
        begun = Journal(str(root), "2026.11", HUB, BASE, altered=[], restart=True)
        begun.write(folder, is_back=True, is_stopped=by_hubctl, is_migrated=by_hubctl)
        interrupted = killed(partial(course.main, folder, back=True), points, root)
        if journal.read(folder):
            assert course.main(folder, back=True) == 0
        assert numbers(state / "jupyterhub.sqlite") == [1]
        assert journal.read(folder) is None
    assert points > 5


def migrate(upgrade: course.Course) -> course.Course:
    """Plays `jupyterhub upgrade-db`, as the course does it: first its journal says that it is going to be done."""
    upgrade = upgrade.noted(is_migrated=True)
    with closing(sqlite3.connect(upgrade.database)) as connection:
        connection.execute("UPDATE numbers SET number = 2")
        connection.commit()
    return upgrade


def test_the_copy_of_an_earlier_upgrade_stays_until_the_schema_moves_again(
    server: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = server.state / database.BEFORE
    make_database(kept, 0)
    for renew, copied in ((lambda found: found, [0]), (migrate, [1])):
        monkeypatch.setattr(course, "_renew", renew)
        upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
        assert numbers(kept) == [0]
        assert course.main(departure.folder(), back=False) == 0
        assert numbers(kept) == copied
        assert sorted(path.name for path in server.state.iterdir()) == [server.database.name, kept.name]


def test_the_copy_of_an_earlier_upgrade_outlives_one_that_fails(
    server: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(upgrade: course.Course) -> course.Course:
        migrate(upgrade)
        raise prefix.FailedError("broken")

    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", lambda *_: None)
    monkeypatch.setattr(course, "_hubctl", lambda *_: None)
    monkeypatch.setattr(course, "_renew", fail)
    make_database(server.state / database.BEFORE, 0)
    upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    assert course.main(departure.folder(), back=False) == 1
    assert (numbers(server.database), numbers(server.state / database.BEFORE)) == ([1], [0])


def test_a_power_cut_takes_nothing_of_what_the_journal_speaks_of(
    server: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_renew", migrate)
    with Power(server.root.parent, "journal.json") as power:
        upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
        assert power.cut() == set()
        course.main(departure.folder(), back=False)
    assert power.before_the_journal == [set()] * 2
    assert power.before_its_end == [set()]


def test_an_upgrade_begun_by_a_release_that_did_not_note_what_comes_is_gone_on_with(server: Layout) -> None:
    upgrade._prepare(server, Plan("2026.11", [], {"demo-1-0"}), restart=False)
    file = departure.folder() / "journal.json"
    noted = json.loads(file.read_text())
    assert noted.pop("coming") == ["demo-1-0"]
    file.write_text(json.dumps(noted))
    assert course.main(departure.folder(), back=False) == 0


@pytest.mark.parametrize(("runs", "counts"), [(4711, True), (None, False)], ids=["hub runs", "no hub runs"])
def test_restart_counts_when_an_interrupted_upgrade_is_gone_on_with(
    server: Layout, monkeypatch: pytest.MonkeyPatch, runs: int | None, counts: bool
) -> None:
    monkeypatch.setattr("hubctl.status.hub_pid", lambda _: runs)
    upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    go_on(monkeypatch, restart=False)
    assert not begun().restart
    go_on(monkeypatch, restart=True)
    assert begun().restart == counts


def test_on_the_way_back_it_is_said_that_restart_is_left_out(
    server: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    begun().write(departure.folder(), is_back=True)
    go_on(monkeypatch, restart=True)
    assert "--restart is left out" in capsys.readouterr().out
    assert not begun().restart


def go_on(monkeypatch: pytest.MonkeyPatch, restart: bool) -> None:
    """`hubctl upgrade`, up to where another program goes on."""
    monkeypatch.setattr("os.execv", lambda *_: sys.exit())
    with pytest.raises(SystemExit):
        upgrade.upgrade(restart=restart)


def begun() -> Journal:
    found = journal.read(departure.folder())
    assert found
    return found


def test_that_the_same_command_goes_on_is_said_only_where_it_does(
    server: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    def fail(*_: object) -> None:
        raise prefix.FailedError("conda is ill")

    departure.folder().mkdir(parents=True)
    assert course.main(departure.folder(), back=False) == 1
    assert capsys.readouterr().err == "hubctl: no upgrade or rollback is under way\n"
    upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", fail)
    assert course.main(departure.folder(), back=True) == 1
    assert capsys.readouterr().err == "hubctl: conda is ill. The same command goes on from here\n"
    monkeypatch.setattr(course, "_finish", interrupt)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", lambda *_: None)
    assert course.main(departure.folder(), back=True) == course.INTERRUPTED
    assert f"so does {departure.folder()}/finish" in capsys.readouterr().err
