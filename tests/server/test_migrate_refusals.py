"""`hubctl migrate`: hubs that run, kills, full disks, and what can't be carried over."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from conftest import HubUser, self_signed
from hubctl import onestep, settings
from hubctl.oldsite import apply, olddatabase, oldhub, plan
from kill_support import killed
from oldsite_support import SECRETS, SHIPPED, OldHub, Pair

pytest_plugins = ["oldsite_support"]


def as_a_script(old: OldHub) -> subprocess.Popen[bytes]:
    script = old.prefix / "bin/jupyterhub"
    script.write_text("import time\ntime.sleep(600)\n")
    return subprocess.Popen([sys.executable, script, "-f", old.config.name], cwd=old.prefix)


def as_a_module(old: OldHub) -> subprocess.Popen[bytes]:
    """`python -m jupyterhub`, typed in its environment: no word of the command line has the environment's path."""
    python = old.prefix / "bin/python3"
    shutil.copy(sys.executable, python)  # a file of its own, as conda's are
    (old.prefix / "jupyterhub.py").write_text("import time\ntime.sleep(600)\n")
    variables = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"}
    typed = ["python3", "-B", "-m", "jupyterhub"]
    return subprocess.Popen(typed, executable=python, cwd=old.prefix, env=variables)


@pytest.mark.parametrize("started", [as_a_script, as_a_module])
def test_an_old_hub_that_runs_is_said_and_is_left_running(
    pair: Pair, started: Callable[[OldHub], subprocess.Popen[bytes]]
) -> None:
    with started(pair.old) as process:
        before = pair.old.content()
        try:
            shown, refused = pair.migrate(), pair.migrate("--apply")
            assert process.poll() is None
        finally:
            process.kill()
    assert f"The old hub runs (process {process.pid}): whoever started it (it runs as root) stops it" in shown.stdout
    assert (refused.returncode, f"The old hub runs (process {process.pid})" in refused.stderr) == (1, True)
    assert not pair.layout.database.exists()
    assert pair.old.content() == before


def test_killed_at_any_point_the_hub_is_the_one_before_or_the_new_one_and_the_command_finishes_it(pair: Pair) -> None:
    """JupyterHub's upgrade of the copy is left out: it takes seconds, and puts nothing in place."""
    before = pair.root.path.with_name("before")
    shutil.copytree(pair.root.path, before)

    def carry_over() -> None:
        work = pair.layout.state / ".migrate-test"
        work.mkdir(exist_ok=True)
        made = plan.make(oldhub.find(pair.old.prefix, None), pair.layout, work)
        olddatabase.upgrade = lambda copied: None
        if not made.is_done:
            apply.carry_out(made, pair.layout, work)

    outcomes = []
    for number in count(1):
        shutil.rmtree(pair.root.path)
        shutil.copytree(before, pair.root.path)
        was_killed = killed(carry_over, number, pair.root.path)
        onestep.finish(pair.layout)
        outcomes.append(is_carried_over(pair))
        assert not killed(carry_over, 10**6, pair.root.path)  # the same command again
        assert is_carried_over(pair)
        if not was_killed:
            break
    assert outcomes == sorted(outcomes)
    assert (outcomes.count(False) > 4, outcomes.count(True) > 3) == (True, True)


def is_carried_over(pair: Pair) -> bool:
    """All of it, or nothing."""
    parts = {
        pair.layout.database.exists(),
        settings.load(pair.root.settings).auth == "kerberos",
        *((pair.root.certificate.parent / name).read_bytes() == (pair.old.prefix / "ssl" / name).read_bytes()
          for name in ("hub.key", "hub.crt")),
    }  # fmt: skip
    assert len(parts) == 1, parts
    return parts.pop()


def test_a_database_of_this_hub_is_never_replaced(pair: Pair) -> None:
    with closing(sqlite3.connect(pair.layout.database)) as database:
        database.execute("CREATE TABLE of_this_hub (name TEXT)")
    before = pair.layout.database.read_bytes()
    done = pair.migrate("--apply")
    assert done.returncode == 0, done.stderr
    assert "jupyterhub.sqlite is there, and stays; to have the old hub's users in its place" in done.stdout
    assert pair.layout.database.read_bytes() == before


def test_what_a_killed_hub_had_not_written_to_its_database_is_read_without_writing_it_there(pair: Pair) -> None:
    database = pair.old.prefix / "jupyterhub.sqlite"
    program = (
        "import os, sqlite3, sys\nlinked = sqlite3.connect(sys.argv[1])\n"
        "linked.execute('PRAGMA journal_mode = WAL')\n"
        "linked.execute(\"INSERT INTO users (name, admin, cookie_id) VALUES ('dora', 0, 'x')\")\n"
        "linked.commit()\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, database], check=True)
    before = pair.old.content()
    assert f"{database}-wal" in before
    work = pair.root.path / "work"
    work.mkdir()
    assert set(olddatabase.copy(database, work).users) == {"alice", "bob", "dora", "eve"}
    assert pair.old.content() == before


def test_what_a_killed_hub_was_at_is_undone_in_the_copy_alone(pair: Pair) -> None:
    database = pair.old.prefix / "jupyterhub.sqlite"
    program = (
        "import os, sqlite3, sys\nlinked = sqlite3.connect(sys.argv[1])\n"
        "linked.execute('PRAGMA cache_size = 1')\n"  # so that SQLite writes before the commit
        "linked.execute(\"UPDATE users SET name = 'half-' || name\")\n"
        "linked.execute('CREATE TABLE half (filler)')\n"
        "linked.executemany('INSERT INTO half VALUES (?)', [('x' * 4000,)] * 100)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, database], check=True)
    before = pair.old.content()
    assert f"{database}-journal" in before
    assert b"half-alice" in database.read_bytes(), "what was begun stands in the file"
    work = pair.root.path / "work"
    work.mkdir()
    assert set(olddatabase.copy(database, work).users) == {"alice", "bob", "eve"}
    assert pair.old.content() == before


def test_a_damaged_database_is_refused(pair: Pair) -> None:
    (pair.old.prefix / "jupyterhub.sqlite").write_bytes(b"no database" * 100)
    done = pair.migrate("--apply")
    assert (
        done.returncode,
        "jupyterhub.sqlite is no database of JupyterHub: file is not a database" in done.stderr,
    ) == (1, True)
    assert "Traceback" not in done.stderr
    assert pair.root.settings.read_text().startswith(SHIPPED.read_text()[:500])


def test_a_database_of_a_newer_jupyterhub_is_refused_and_nothing_is_changed(pair: Pair) -> None:
    with closing(sqlite3.connect(pair.old.prefix / "jupyterhub.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    before = pair.root.settings.read_text()
    done = pair.migrate("--apply")
    assert (done.returncode, "can't be brought to this release" in done.stderr) == (1, True)
    assert pair.root.settings.read_text() == before
    assert not pair.layout.database.exists()


def test_a_pair_that_can_not_be_used_needs_a_person(pair: Pair) -> None:
    other = pair.old.prefix / "other"
    other.mkdir()
    self_signed(other)
    (other / "hub.key").replace(pair.old.prefix / "ssl/hub.key")
    assert "does not belong to" in pair.persons()
    assert pair.plan().pair is None


def link_pair(old: OldHub) -> None:
    """As programs do that renew certificates."""
    for name in ("hub.key", "hub.crt"):
        real = (old.prefix / "ssl" / name).rename(old.prefix / name)
        (old.prefix / "ssl" / name).symlink_to(real)


def test_a_pair_that_another_program_renews_is_named_where_it_is(pair: Pair) -> None:
    link_pair(pair.old)
    found = pair.plan()
    assert found.pair is None
    assert ("tls", "key") in [row.carried.where for row in found.rows]
    assert str(pair.old.prefix / "ssl/hub.crt") in (found.text or "")


@pytest.mark.parametrize("fault", ["does not belong to", "is open to others than its owner"])
def test_a_linked_pair_that_can_not_be_used_needs_a_person_as_well(pair: Pair, fault: str) -> None:
    link_pair(pair.old)
    if fault == "does not belong to":
        other = pair.old.prefix / "other"
        other.mkdir()
        self_signed(other)
        (other / "hub.key").replace(pair.old.prefix / "hub.key")
    else:
        (pair.old.prefix / "hub.key").chmod(0o644)
    assert fault in pair.persons()
    assert "tls" not in [row.carried.where[0] for row in pair.plan().rows]


def on_a_small_disk(pair: Pair, folder: Path, kilobytes: int) -> tuple[subprocess.CompletedProcess[str], set[Path]]:
    """What `--apply` says where a folder is a file system of that size of its own, and what is in the folder then."""
    (pair.root.path / "copy").mkdir(exist_ok=True)
    command = (
        f'mount -t tmpfs -o size={kilobytes}k,mode=700 none "$1/copy"; cp -a "$2/." "$1/copy"; '
        'mount --move "$1/copy" "$2"; folder=$2; shift 2; "$@" || code=$?; find "$folder" >&2; exit ${code:-0}'
    )
    small = ["unshare", "--mount", "sh", "-euc", command, "sh", str(pair.root.path), str(folder)]
    hubctl = [sys.executable, "-B", "-m", "hubctl", "--root", str(pair.root.path)]
    arguments = ["migrate", "--from", str(pair.old.prefix), "--apply"]
    done = subprocess.run([*small, *hubctl, *arguments], capture_output=True, text=True, cwd="/")
    lines = done.stderr.splitlines()
    found = {Path(line) for line in lines if line.startswith(f"{folder}/")}
    done.stderr = "\n".join(line for line in lines if not line.startswith(str(folder)))
    return done, found


@pytest.mark.parametrize(
    ("folder", "kilobytes", "what"),
    [
        ("var/lib/jupyterhub", 64, "jupyterhub.sqlite can't be copied"),
        ("var/lib/jupyterhub", 200, "jupyterhub.sqlite can't be brought to this release"),
        ("var/lib/jupyterhub", 300, "Nothing was carried over"),
        ("etc/jupyterhub/ssl", 12, "Nothing was carried over"),
    ],
    ids=["copy of the database", "its upgrade", "backup", "certificate"],
)
def test_a_full_disk_is_said_in_one_line_and_nothing_is_changed(
    pair: Pair, folder: str, kilobytes: int, what: str
) -> None:
    place = pair.root.path / folder
    before, files, settings_before = pair.old.content(), {*place.iterdir()}, pair.root.settings.read_text()
    done, found = on_a_small_disk(pair, place, kilobytes)
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    assert what in line
    assert line.endswith(f": no space left in {place}: make room there (`df {place}`), then run the same command again")
    assert found == files, "a copy, the backup, or a second name of the key is left"
    assert (pair.old.content(), pair.root.settings.read_text()) == (before, settings_before)
    assert not pair.layout.database.exists()
    assert pair.migrate("--apply").returncode == 0, "where there is room"


def test_a_database_of_another_kind_needs_a_person_and_its_password_is_not_shown(pair: Pair) -> None:
    pair.old.configure("c.JupyterHub.db_url = 'postgresql://hub:Tr0ub4dor&3@db/hub'\n")
    assert "db_url: its database is one of postgresql" in pair.persons()
    assert SECRETS[0] not in pair.persons()


def test_a_unit_that_starts_the_old_hub_needs_a_person(pair: Pair) -> None:
    pair.layout.unit.parent.mkdir(parents=True)
    pair.layout.unit.write_text(f"[Service]\nExecStart={pair.old.prefix}/bin/jupyterhub\n")
    assert "it starts the old hub" in pair.persons()


def test_the_configuration_is_found_or_asked_for(pair: Pair) -> None:
    elsewhere = pair.old.config.rename(pair.old.prefix.parent / "config.py")
    done = pair.migrate()
    assert (done.returncode, "say where: --config FILE" in done.stderr) == (1, True)
    assert "database" in pair.migrate("--config", str(elsewhere)).stdout
    for folder in (pair.old.prefix, pair.old.prefix / "etc/jupyterhub"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "jupyterhub_config.py").write_text("")
    assert "say which: --config FILE" in pair.migrate().stderr


def test_a_hub_like_this_one_is_not_migrated(pair: Pair) -> None:
    shutil.copy(SHIPPED.with_name("jupyterhub_config.py"), pair.old.config)
    done = pair.migrate()
    assert (done.returncode, "`hubctl backup` and `restore`" in done.stderr) == (1, True)


def test_who_is_no_administrator_of_the_host_is_told_so(pair: Pair) -> None:
    pair.layout.settings.parent.chmod(0o755)
    pair.old.prefix.parent.chmod(0o755)
    done = pair.root.hubctl_as(HubUser("nobody", 65534, 65534), "migrate", "--from", str(pair.old.prefix))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Permission denied" in done.stderr
