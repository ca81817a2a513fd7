"""`hubctl backup` and `hubctl restore`: a hub that goes on at another server, and files that are not taken for one."""

import gzip
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing

import requests
from backup_support import PYTHON, STATE, backup, put
from conftest import ServerRoot
from hub_support import browser, log_in, password
from hubctl import backup as backups
from hubctl.layout import Layout


def token(root: ServerRoot, session: requests.Session, user: str) -> str:
    """A token as users make them on the page for tokens."""
    headers = {"Referer": f"{root.url}/hub/token", "X-XSRFToken": session.cookies.get("_xsrf", path="/hub/") or ""}
    answer = session.post(f"{root.url}/hub/api/users/{user}/tokens", json={}, headers=headers)
    answer.raise_for_status()
    return str(answer.json()["token"])


def test_hub_that_is_restored_on_a_bare_server_knows_its_users_tokens_and_logins(
    server_root: ServerRoot, bare: ServerRoot
) -> None:
    put(server_root, PYTHON, "c.JupyterHub.logo_file = ''\n")
    assert server_root.hubctl("admin", "add", "eve").returncode == 0
    assert server_root.hubctl("start").returncode == 0
    alice, _ = log_in(server_root, "alice", password(server_root))
    secret = token(server_root, alice, "alice")
    shared = password(server_root)
    file = backup(server_root)  # while it runs
    assert server_root.hubctl("stop").returncode == 0

    done = bare.hubctl("restore", str(file))

    assert done.returncode == 0, done.stderr
    assert f"This is the hub of {socket.gethostname()}" in done.stdout
    assert bare.settings.read_text() == server_root.settings.read_text()
    assert (bare.path / PYTHON).read_text() == (server_root.path / PYTHON).read_text()
    assert bare.hubctl("start").returncode == 0
    try:  # at the address of the one before
        alice.verify = str(bare.certificate)
        assert bare.certificate.read_bytes() == server_root.certificate.read_bytes()
        assert "alice" in alice.get(f"{server_root.url}/hub/home", allow_redirects=False).text
        headers = {"Authorization": f"token {secret}"}
        answer = browser(server_root).get(f"{server_root.url}/hub/api/user", headers=headers)
        assert answer.json()["name"] == "alice"
        listed = json.loads(bare.hubctl("user", "list", "--json").stdout)
        assert {user["name"]: user["admin"] for user in listed} == {"eve": True, "alice": False}
        assert password(bare) == shared
    finally:
        bare.hubctl("stop")


def test_file_and_all_that_is_in_it_is_for_its_owner_alone(server_root: ServerRoot) -> None:
    (server_root.path / STATE / "cookie_secret").write_text("0" * 64)
    os.chown(server_root.path / STATE / "cookie_secret", server_root.user.uid, server_root.user.gid)
    file = backup(server_root)
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        modes = {entry.name: entry.mode for entry in archive if not entry.name.startswith("locks/")}
        assert {modes.pop(name) for name in ("manifest.json", "settings/hub.yaml")} <= {0o600, 0o640, 0o644}
        assert set(modes.values()) == {0o600}
        assert "secrets/cookie_secret" in archive.getnames()
    assert [path.name for path in server_root.path.glob(".hub*")] == []


def test_packages_that_are_installed_are_named(server_root: ServerRoot) -> None:
    """This process, unlike the hub's user, can read what conda knows of them."""
    file = server_root.path / "hub.tar.gz"
    backups.write(file, Layout(server_root.path))
    with tarfile.open(file) as archive:
        lock = archive.extractfile("locks/jupyterhubenv.explicit.txt")
        assert lock
        assert re.search(r"^@EXPLICIT\n(.+/.+\.conda#[0-9a-f]{32}\n)+", lock.read().decode(), re.MULTILINE)


def test_file_that_is_there_is_never_overwritten(server_root: ServerRoot) -> None:
    file = backup(server_root)
    before = file.read_bytes()
    done = server_root.hubctl("backup", str(file))
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert file.read_bytes() == before


def test_running_hub_is_not_restored(server_root: ServerRoot) -> None:
    file = backup(server_root)
    assert server_root.hubctl("start").returncode == 0
    done = server_root.hubctl("restore", "--yes", str(file))
    assert (done.returncode, done.stderr.startswith("hubctl: The hub runs: `hubctl stop`")) == (1, True)


def test_what_was_there_before_is_kept_in_a_backup_of_its_own(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    log_in(server_root, "alice", password(server_root))
    assert server_root.hubctl("stop").returncode == 0
    file = backup(server_root)
    assert server_root.hubctl("config", "set", "named_servers", "3").returncode == 0
    put(server_root, PYTHON, "pass\n")

    refused = server_root.hubctl("restore", str(file))
    assert refused.returncode == 1, "nobody answered the question"
    done = server_root.hubctl("restore", "--yes", str(file))

    assert done.returncode == 0, done.stderr
    assert "named_servers" not in server_root.settings.read_text()
    assert not (server_root.path / PYTHON).exists()
    (kept,) = (server_root.path / STATE).glob("before-restore-*.tar.gz")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert server_root.hubctl("restore", "--yes", str(kept)).returncode == 0
    assert "named_servers: 3" in server_root.settings.read_text()
    assert (server_root.path / PYTHON).read_text() == "pass\n"


def test_damaged_database_is_kept_as_it_is_and_the_one_of_the_backup_comes(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    assert server_root.hubctl("stop").returncode == 0
    file = backup(server_root)
    assert server_root.hubctl("config", "set", "named_servers", "3").returncode == 0
    put(server_root, f"{STATE}/jupyterhub.sqlite", "no database at all", 0o600)

    done = server_root.hubctl("restore", "--yes", str(file))

    assert done.returncode == 0, done.stderr
    (kept,) = (server_root.path / STATE).glob("before-restore-*.sqlite")
    assert f"The database that was here is damaged, and not in that backup. As it was: {kept}\n" in done.stdout
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("no database at all", 0o600)
    assert server_root.hubctl("start").returncode == 0
    (before,) = (server_root.path / STATE).glob("before-restore-*.tar.gz")
    assert server_root.hubctl("stop").returncode == 0
    assert server_root.hubctl("restore", "--yes", str(before)).returncode == 0, "the rest that was there can come back"
    assert "named_servers: 3" in server_root.settings.read_text()


def test_database_that_is_written_to_meanwhile_is_whole_in_the_backup(server_root: ServerRoot) -> None:
    """Another process writes as fast as it can: either both rows of a pair are there, or none."""
    database = server_root.path / STATE / "jupyterhub.sqlite"
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE pairs (number INTEGER, side TEXT)")
    os.chown(database, server_root.user.uid, server_root.user.gid)
    writer = (
        "import sqlite3, sys, itertools\n"
        "database = sqlite3.connect(sys.argv[1], timeout=60)\n"
        "for number in itertools.count():\n"
        "    with database:\n"
        "        database.execute('INSERT INTO pairs VALUES (?, ?)', (number, 'l'))\n"
        "        database.execute('INSERT INTO pairs VALUES (?, ?)', (number, 'r'))\n"
    )
    with subprocess.Popen(server_root.user.wrap(sys.executable, "-c", writer, str(database)), cwd="/") as process:
        try:
            files = [backup(server_root, f"{number}.tar.gz") for number in range(3)]
        finally:
            process.kill()
    counts = []
    for file in files:
        with tarfile.open(file) as archive:
            stream = archive.extractfile("database/jupyterhub.sqlite")
            assert stream
            copy = server_root.path / "copy.sqlite"
            copy.write_bytes(stream.read())
        with closing(sqlite3.connect(copy)) as found:
            assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            left, right = (found.execute("SELECT count(*) FROM pairs WHERE side = ?", s).fetchone() for s in "lr")
            assert left == right
            counts.append(left[0])
    assert counts[0] < counts[-1]


def test_full_disk_leaves_no_half_backup(server_root: ServerRoot) -> None:
    """A file system of one megabyte, full."""
    small = server_root.path / "small"
    small.mkdir()
    command = (
        'mount -t tmpfs -o size=1m,mode=777 none "$1"; shift; '
        'dd if=/dev/zero of="$1/small/filler" bs=1k count=1000 2>/dev/null; shift; '
        '"$@" || echo "code $?"; ls -A "$small"'
    )
    hubctl = server_root.user.wrap(
        sys.executable, "-B", "-m", "hubctl", "--root", server_root.path, "backup", small / "hub.tar.gz"
    )
    os.truncate(server_root.certificate.with_name("hub.key"), 10**5)  # something that does not fit
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", command, "sh", str(small), str(server_root.path), *hubctl],
        env=os.environ | {"small": str(small)},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.stdout == "code 1\nfiller\n", done.stdout + done.stderr
    assert f"There is no backup: no space left in {small}" in done.stderr
    shutil.rmtree(small)


def test_rows_of_a_killed_hubs_journal_are_not_put_on_top_of_the_restored_database(server_root: ServerRoot) -> None:
    file = backup(server_root)
    state = server_root.path / STATE
    for suffix in ("-journal", "-wal", "-shm"):
        (state / f"jupyterhub.sqlite{suffix}").write_bytes(b"x")
        os.chown(state / f"jupyterhub.sqlite{suffix}", server_root.user.uid, server_root.user.gid)
    assert server_root.hubctl("restore", str(file)).returncode == 0
    assert [path.name for path in state.glob("jupyterhub.sqlite-*")] == []


def test_backup_is_a_tar_that_every_server_can_read(server_root: ServerRoot) -> None:
    with gzip.open(backup(server_root)) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        assert archive.getnames()[0] == "manifest.json"
        manifest = json.loads((archive.extractfile("manifest.json") or io.BytesIO()).read())
        assert sorted(manifest["sums"]) == sorted(archive.getnames()[1:])
    assert manifest["host"] == socket.gethostname()
