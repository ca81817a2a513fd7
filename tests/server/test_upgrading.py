"""What ``hubctl upgrade`` leaves on the disk so that it can be gone on with, and gone back from."""

import hashlib
import json
import multiprocessing
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hubctl import verify
from hubctl.errors import HubError
from hubctl.upgrading import course, database, journal, lifeboat, prefix
from hubctl.upgrading.journal import Before, Journal
from hubctl.upgrading.lock import alone
from kill_support import killed

HUB = Before("/opt/miniconda3/envs/jupyterhubenv", 3, ["hubforge-2026.10-0", "hubforge-base-1-0", "idna-3.0-py_0"])
BASE = Before("/opt/miniconda3", 1, ["hubforge-base-2026.10-0"])


def test_the_journal_says_how_far_it_has_come(tmp_path: Path) -> None:
    assert journal.read(tmp_path) is None
    begun = Journal("/", "2026.11", HUB, BASE, altered=[], restart=True)
    begun.write(tmp_path)
    assert journal.read(tmp_path) == begun
    begun.write(tmp_path, is_stopped=True)
    assert journal.read(tmp_path) == replace(begun, is_stopped=True)
    assert begun.release_before == "2026.10"
    assert [path.name for path in tmp_path.iterdir()] == ["journal.json"]


def make_database(path: Path, *rows: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(row,) for row in rows])
        connection.commit()


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM numbers")]


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


def test_half_a_record_is_taken_away_and_whole_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/whole.json").write_text("{}")
    (tmp_path / "conda-meta/half.json").write_text('{"name": "ha')
    prefix.remove_half_records(tmp_path)
    assert [path.name for path in (tmp_path / "conda-meta").iterdir()] == ["whole.json"]


def test_what_a_killed_conda_has_left_of_its_own_goes_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / ".condatmp/0f").mkdir(parents=True)
    (tmp_path / ".tmpabcdefgh").write_text("lib/python3.13/site-packages/idna/core.py\n")
    (tmp_path / ".tmpnotconda").write_text("a person's")
    prefix.Prefix(tmp_path, tmp_path, ())._sweep()
    assert [path.name for path in tmp_path.iterdir()] == [".tmpnotconda"]


def hold(path: Path, ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with alone(path):
        ready.set()
        done.wait()


def test_the_second_change_at_a_time_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "lock", ready, done))
    first.start()
    ready.wait()
    try:
        with pytest.raises(prefix.FailedError, match=f"process {first.pid} is changing"), alone(tmp_path / "lock"):
            pass
    finally:
        done.set()
        first.join()
    (tmp_path / "lock").write_text("1\n")  # what a kill leaves, with a number that is another process now
    with alone(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "lock").exists()


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
        make_database(state / database.BEFORE, 1)
        begun = Journal(str(root), "2026.11", HUB, BASE, altered=[], restart=True)
        begun.write(folder, is_back=True, is_stopped=by_hubctl, is_migrated=by_hubctl)
        interrupted = killed(partial(course.main, folder, back=True), points, root)
        if journal.read(folder):
            assert course.main(folder, back=True) == 0
        assert numbers(state / "jupyterhub.sqlite") == [1]
        assert journal.read(folder) is None
    assert points > 5


def test_verify_compares_what_the_package_held_where_its_record_says_no_more(tmp_path: Path) -> None:
    """rattler notes ``sha256_in_prefix`` for the files alone that it has changed while it linked them."""
    contents = {"same": b"as it was", "altered": b"as it was", "linked": b"with a prefix", "compiled": b"of no package"}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    entries = [
        {"_path": "same", "path_type": "hardlink", "sha256": hashes["same"]},
        {"_path": "altered", "path_type": "hardlink", "sha256": hashes["altered"]},
        {"_path": "linked", "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": hashes["linked"]},
        {"_path": "compiled", "path_type": "pyc_file"},
        {"_path": "gone", "path_type": "hardlink", "sha256": hashes["same"]},
        {"_path": "dangling", "path_type": "softlink", "sha256": hashes["same"]},
    ]
    for name, content in (contents | {"altered": b"edited"}).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "conda-meta").mkdir()
    record = tmp_path / "conda-meta/demo-1.0-0.json"
    record.write_text(json.dumps({"files": [entry["_path"] for entry in entries], "paths_data": {"paths": entries}}))
    assert list(verify._wrong(tmp_path, record)) == [
        f"{tmp_path}/gone of demo-1.0-0 is missing",
        f"{tmp_path}/dangling of demo-1.0-0 leads nowhere",
        f"{tmp_path}/altered of demo-1.0-0 was altered",
    ]
    record.write_text('{"paths_data": {"pa')
    assert list(verify._wrong(tmp_path, record)) == [f"{record} is no record of conda's"]


def test_without_records_verify_says_so_and_not_that_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    monkeypatch.setattr("hubctl.layout.environment", lambda: tmp_path)
    with pytest.raises(HubError, match="has no records"):
        verify.wrong_files()
