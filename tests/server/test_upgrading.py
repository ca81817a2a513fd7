"""What ``hubctl upgrade`` leaves on the disk so that it can be gone on with, and gone back from."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hubctl import rollback, upgrade, verify
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.revisions import Revision
from hubctl.upgrade import Plan
from hubctl.upgrading import course, database, journal, lifeboat, prefix
from hubctl.upgrading.journal import Before, Journal
from hubctl.upgrading.lock import alone
from kill_support import killed
from power_support import Power

from tests.waiting import wait_for

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


def make_half_record(base: Path, package: str) -> Path:
    record = base / f"conda-meta/{package}.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text('{"name": "de')
    return record


def test_the_copy_of_base_has_the_files_of_a_half_written_record_by_what_the_cache_says(tmp_path: Path) -> None:
    base = tmp_path / "base"
    names = {"bin/demo": "bin/demo", "python-scripts/run": "bin/run", "lib/demo.so": "lib/demo.so"}
    names["site-packages/demo/core.py"] = "lib/python3.13/site-packages/demo/core.py"
    for name in names.values():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(name)
    make_half_record(base, "demo-1-0")
    (base / "pkgs/demo-1-0/info").mkdir(parents=True)
    paths = [{"_path": name} for name in names]
    (base / "pkgs/demo-1-0/info/paths.json").write_text(json.dumps({"paths": paths}))
    lifeboat.launch(base, tmp_path / "upgrade")
    copy = tmp_path / "upgrade/conda"
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == set(names.values())


def test_a_half_written_record_whose_package_nobody_knows_is_named_and_nothing_begins(server: Layout) -> None:
    record = make_half_record(server.root.parent / "prefix", "demo-1-0")
    with pytest.raises(HubError, match=f"{record} is half-written, .*hub-installer.sh -f"):
        upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    assert not upgrade.under_way()
    assert record.exists()


CONDA = """\
#!{python}
import json, pathlib, sys
prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
records = [json.loads(path.read_text())["name"] for path in prefix.glob("conda-meta/*.json")]
link = {{"name": "demo", "version": "1", "build_string": "0", "dist_name": "demo-1-0"}}
print(json.dumps({{"success": records == ["other"], "actions": {{"LINK": [link]}}}}))
"""
"""Plays conda, which reads every record, and would keep a metapackage that lacks a package whatever it is asked for."""


def test_what_an_upgrade_changes_is_told_beside_half_written_records_which_stay_until_it_begins(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(upgrade, "_wanted", lambda _: ("2026.12", True))
    (installation / "bin").mkdir()
    (installation / "bin/conda").write_text(CONDA.format(python=sys.executable))
    (installation / "bin/conda").chmod(0o755)
    records = []
    for prefix_ in (installation, installation / "envs/jupyterhubenv"):
        records.append(make_half_record(prefix_, "demo-1-0"))
        (prefix_ / "conda-meta/other-1-0.json").write_text('{"name": "other"}')
        metapackage = "hubforge-base" if prefix_ == installation else "hubforge"
        (prefix_ / f"conda-meta/{metapackage}-2026.11-0.json").write_text('{"name": "metapackage"}')
    before = content(installation)
    plan = upgrade._plan(None)
    assert [(change.environment, change.package, change.after) for change in plan.changes] == [
        ("jupyterhubenv", "demo", "1"),
        ("base", "demo", "1"),
    ]
    assert plan.coming == {"demo-1-0"}
    said = capsys.readouterr().err
    assert [line.partition(" is half-written")[0] for line in said.splitlines()] == [
        f"hubctl: {record}" for record in reversed(records)
    ]
    assert content(installation) == before


def test_half_a_record_is_taken_away_and_whole_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/whole.json").write_text("{}")
    (tmp_path / "conda-meta/half.json").write_text('{"name": "ha')
    prefix.forget(tmp_path, prefix.half_records(tmp_path))
    assert [path.name for path in (tmp_path / "conda-meta").iterdir()] == ["whole.json"]


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
    prefix.Prefix(tmp_path, tmp_path, ())._sweep()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".tmpnotconda", "envs/other/core.py.c~"}


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


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix whose hub's environment has had two revisions; it has no conda, and nothing here comes so far."""
    environment = tmp_path / "prefix/envs/jupyterhubenv"
    environment.mkdir(parents=True)
    (tmp_path / "prefix/.hubforge").mkdir()
    monkeypatch.setattr("hubctl.layout.environment", lambda: environment)
    found = [Revision(0, "", "2026.10", 1, 0, 0), Revision(1, "", "2026.11", 1, 0, 0)]
    monkeypatch.setattr("hubctl.rollback.read", lambda _: found)
    return tmp_path / "prefix"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_rollback_while_somebody_changes_the_installation_is_refused_with_their_process(installation: Path) -> None:
    with somebody_changing(installation / ".hubforge") as pid:
        before = content(installation)
        with pytest.raises(HubError, match=f"process {pid} is changing"):
            rollback.rollback(to=None, yes=True)
        assert content(installation) == before


def test_an_upgrade_while_another_one_prepares_itself_is_refused_and_takes_nothing_of_it(installation: Path) -> None:
    upgrade.folder().mkdir()
    (upgrade.folder() / "finish").write_text("the first one's")
    with somebody_changing(installation / ".hubforge") as pid:
        before = content(installation)
        with pytest.raises(HubError, match=f"process {pid} is changing"):
            upgrade._prepare(Layout(installation), Plan("2026.12", [], set()), restart=False)
        assert content(installation) == before


def test_an_upgrade_after_which_another_one_has_begun_leaves_it_its_journal(installation: Path) -> None:
    upgrade.folder().mkdir()
    Journal("/", "2026.12", HUB, BASE, altered=[], restart=False).write(upgrade.folder())
    before = content(installation)
    with pytest.raises(HubError, match="another upgrade has begun meanwhile"):
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
def test_a_step_that_outlives_the_kill_of_its_rollback_is_waited_for(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path))
    step = Step(tmp_path, words)
    step.play(*(installation / name for name in ("bin/conda", "bin/python", "envs/jupyterhubenv/bin/python")))
    step.assert_waited_for(partial(rollback.rollback, to=None, yes=True), installation / ".hubforge/lock")


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


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A hub with a database of the schema 1, that does not run; conda and the release's own commands are played."""
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path / "prefix")
    monkeypatch.setattr(upgrade, "_before", lambda prefix: BASE if prefix.name == "prefix" else HUB)
    monkeypatch.setattr(upgrade, "wrong_files", list)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.bring", lambda *_: None)
    monkeypatch.setattr(course, "_set_up", lambda _: None)
    monkeypatch.setattr(course, "_verify", lambda _: None)
    monkeypatch.setattr(course, "_runs", lambda _: False)
    monkeypatch.setattr(course, "_has_moved", lambda _: False)
    layout = Layout(tmp_path / "root")
    layout.state.mkdir(parents=True)
    make_database(layout.database, 1)
    (tmp_path / "prefix/conda-meta").mkdir(parents=True)
    return layout


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
        assert course.main(upgrade.folder(), back=False) == 0
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
    assert course.main(upgrade.folder(), back=False) == 1
    assert (numbers(server.database), numbers(server.state / database.BEFORE)) == ([1], [0])


def test_a_power_cut_takes_nothing_of_what_the_journal_speaks_of(
    server: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_renew", migrate)
    with Power(server.root.parent, "journal.json") as power:
        upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
        assert power.cut() == set()
        course.main(upgrade.folder(), back=False)
    assert power.before_the_journal == [set()] * 2
    assert power.before_its_end == [set()]


def unpack(cache: Path, package: str) -> Path:
    """A package as conda has unpacked it, beside its archive."""
    folder, content = cache / package, b"print('demo')\n"
    (folder / "info").mkdir(parents=True)
    (folder / "demo.py").write_bytes(content)
    (folder / "link").symlink_to("demo.py")
    digest = hashlib.sha256(content).hexdigest()
    file = {"_path": "demo.py", "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(content)}
    link = {"_path": "link", "path_type": "softlink", "sha256": "0" * 64, "size_in_bytes": 7}
    (folder / "info/paths.json").write_text(json.dumps({"paths": [file, link], "paths_version": 1}))
    (folder / "info/index.json").write_text(json.dumps({"name": package}))
    (cache / f"{package}.conda").touch()
    return folder


def write_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), write_zeros])
@pytest.mark.parametrize("name", ["demo.py", "info/index.json", "info/paths.json"])
def test_a_package_that_a_power_cut_has_left_half_written_is_unpacked_and_linked_anew(
    server: Layout, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    cache, environment = tmp_path / "prefix/pkgs", tmp_path / "prefix/envs/jupyterhubenv"
    coming = ["half-1-0", "whole-1-0", "not-yet-unpacked-1-0"]
    records = [place / "conda-meta/half-1-0.json" for place in (tmp_path / "prefix", environment)]
    records += [tmp_path / "prefix/conda-meta/hubforge-base-2026.12-0.json"]
    records += [environment / "conda-meta/hubforge-2026.12-0.json"]
    for record in records:
        record.parent.mkdir(parents=True, exist_ok=True)
    hub, base = (Before(str(place), 0, []) for place in (environment, tmp_path / "prefix"))
    unpack(cache, "whole-1-0")
    half = unpack(cache, "half-1-0")
    upgrade.folder().mkdir(parents=True)
    Journal(str(server.root), "2026.12", hub, base, altered=[], restart=False, coming=coming).write(upgrade.folder())
    for record in records:
        record.write_text("{}")
    damage(half / name)
    assert course.main(upgrade.folder(), back=False) == 0
    assert sorted(path.name for path in cache.iterdir()) == ["whole-1-0", "whole-1-0.conda"]
    assert not any(record.exists() for record in records)


def test_an_upgrade_begun_by_a_release_that_did_not_note_what_comes_is_gone_on_with(server: Layout) -> None:
    upgrade._prepare(server, Plan("2026.11", [], {"demo-1-0"}), restart=False)
    file = upgrade.folder() / "journal.json"
    noted = json.loads(file.read_text())
    assert noted.pop("coming") == ["demo-1-0"]
    file.write_text(json.dumps(noted))
    assert course.main(upgrade.folder(), back=False) == 0


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
    begun().write(upgrade.folder(), is_back=True)
    go_on(monkeypatch, restart=True)
    assert "--restart is left out" in capsys.readouterr().out
    assert not begun().restart


def go_on(monkeypatch: pytest.MonkeyPatch, restart: bool) -> None:
    """`hubctl upgrade`, up to where another program goes on."""
    monkeypatch.setattr("os.execv", lambda *_: sys.exit())
    with pytest.raises(SystemExit):
        upgrade.upgrade(restart=restart)


def begun() -> Journal:
    found = journal.read(upgrade.folder())
    assert found
    return found


def test_that_the_same_command_goes_on_is_said_only_where_it_does(
    server: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    def fail(*_: object) -> None:
        raise prefix.FailedError("conda is ill")

    upgrade.folder().mkdir(parents=True)
    assert course.main(upgrade.folder(), back=False) == 1
    assert capsys.readouterr().err == "hubctl: no upgrade is under way\n"
    upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", fail)
    assert course.main(upgrade.folder(), back=True) == 1
    assert capsys.readouterr().err == "hubctl: conda is ill. The same command goes on from here\n"
    monkeypatch.setattr(course, "_finish", interrupt)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", lambda *_: None)
    assert course.main(upgrade.folder(), back=True) == course.INTERRUPTED
    assert f"so does {upgrade.folder()}/finish" in capsys.readouterr().err


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
