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
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from conftest import ServerRoot, _root
from hubctl import backup as backups
from hubctl.layout import Layout
from test_hubctl import browser, log_in, password

STATE = "var/lib/jupyterhub"
PYTHON = "etc/jupyterhub/jupyterhub_config.d/10-site.py"


@pytest.fixture
def bare(server_root: ServerRoot) -> Iterator[ServerRoot]:
    """Another server, as `hubctl setup` leaves it: its hub has never run."""
    yield from _root(server_root.user)


def backup(root: ServerRoot, name: str = "hub.tar.gz") -> Path:
    file = root.path / name
    done = root.hubctl("backup", str(file))
    assert done.returncode == 0, done.stderr
    return file


def put(root: ServerRoot, path: str, text: str) -> None:
    """A file of the administrator's."""
    file = root.path / path
    for folder in (file.parent.parent, file.parent):
        if not folder.exists():
            folder.mkdir()
            os.chown(folder, root.user.uid, root.user.gid)
    file.write_text(text)
    os.chown(file, root.user.uid, root.user.gid)


def token(root: ServerRoot, session: requests.Session, user: str) -> str:
    """A token as users make them on the page for tokens."""
    headers = {"Referer": f"{root.url}/hub/token", "X-XSRFToken": session.cookies.get("_xsrf", path="/hub/") or ""}
    answer = session.post(f"{root.url}/hub/api/users/{user}/tokens", json={}, headers=headers)
    answer.raise_for_status()
    return str(answer.json()["token"])


def content(root: ServerRoot) -> dict[str, tuple[bytes, int]]:
    """Every file of a hub that does not run, with its mode, but for logs and the locks that stay empty."""
    files = [path for path in root.path.rglob("*") if path.is_file() and "log" not in path.parts]
    return {
        str(path.relative_to(root.path)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in files
        if path.suffix != ".lock"
    }


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
        assert {entry.mode for entry in archive} == {0o600}
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


def rewritten(file: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> None:
    """The same archive with other members, as somebody would make it who wants to write elsewhere."""
    fresh = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=fresh, mode="w:gz") as new:
        for entry in old:
            stream = old.extractfile(entry)
            changed = change(entry, stream.read() if stream else b"")
            if changed:
                entry, data = changed
                entry.size = len(data)
                new.addfile(entry, io.BytesIO(data))
    file.write_bytes(fresh.getvalue())


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def one_byte_other(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def other_check_sum(file: Path) -> None:
    """The last bytes are gzip's check sum and size."""
    data = bytearray(file.read_bytes())
    data[-6] ^= 1
    file.write_bytes(data)


def other_settings(file: Path) -> None:
    rewritten(file, lambda entry, data: (entry, data + b"#" if entry.name == "settings/hub.yaml" else data))


def without_settings(file: Path) -> None:
    rewritten(file, lambda entry, data: None if entry.name == "settings/hub.yaml" else (entry, data))


def no_archive(file: Path) -> None:
    file.write_bytes(b"hello")


def another_archive(file: Path) -> None:
    rewritten(file, lambda entry, data: None if entry.name == "manifest.json" else (entry, data))


@pytest.fixture(scope="module")
def backup_of_a_hub(module_root: ServerRoot) -> Path:
    """A backup of a hub that has run."""
    assert module_root.hubctl("start").returncode == 0
    file = backup(module_root)
    assert module_root.hubctl("stop").returncode == 0
    return file


@pytest.mark.parametrize(
    "damage",
    [cut_short, one_byte_other, other_check_sum, other_settings, without_settings, no_archive, another_archive],
    ids=lambda damage: damage.__name__.replace("_", " "),
)
def test_damaged_file_changes_nothing(
    server_root: ServerRoot, backup_of_a_hub: Path, damage: Callable[[Path], None]
) -> None:
    file = server_root.path / "hub.tar.gz"
    shutil.copy2(backup_of_a_hub, file)
    damage(file)
    os.chown(file, server_root.user.uid, server_root.user.gid)
    before = content(server_root)
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert done.stderr.startswith(f"hubctl: {file} is ") or done.stderr.startswith("hubctl: The backup has no settings")
    assert "Traceback" not in done.stderr
    assert content(server_root) == before


def sealed(file: Path, name: str, data: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    """One more member, which the manifest vouches for."""
    import hashlib

    with tarfile.open(file) as archive:
        members = [(entry, (archive.extractfile(entry) or io.BytesIO()).read()) for entry in archive]
    manifest = json.loads(members[0][1])
    manifest["sums"][name] = hashlib.sha256(data).hexdigest()
    members[0] = members[0][0], json.dumps(manifest).encode()
    extra = tarfile.TarInfo(name)
    extra.type, extra.linkname = kind, link
    fresh = io.BytesIO()
    with tarfile.open(fileobj=fresh, mode="w:gz") as archive:
        for entry, text in [*members, (extra, data)]:
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    file.write_bytes(fresh.getvalue())


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../../outside", tarfile.REGTYPE, ""),
        ("/tmp/outside", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/../../../outside", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/..", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/x.py", tarfile.SYMTYPE, "/etc/passwd"),
        ("secrets/unknown", tarfile.REGTYPE, ""),
    ],
)
def test_member_that_belongs_nowhere_is_refused(server_root: ServerRoot, name: str, kind: bytes, link: str) -> None:
    file = backup(server_root)
    sealed(file, name, b"" if kind == tarfile.SYMTYPE else b"x", kind, link)
    os.chown(file, server_root.user.uid, server_root.user.gid)
    before = {path: data for path, data in content(server_root).items() if path != "hub.tar.gz"}
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert repr(name) in done.stderr
    assert {path: data for path, data in content(server_root).items() if path != "hub.tar.gz"} == before


@pytest.mark.parametrize("place", ["etc/jupyterhub/ssl", "etc/jupyterhub/ssl/hub.key", "etc/jupyterhub", STATE])
def test_nothing_is_written_where_a_link_leads(server_root: ServerRoot, bare: ServerRoot, place: str) -> None:
    file = backup(server_root)
    elsewhere = bare.path / "elsewhere"
    (bare.path / place).rename(elsewhere)
    (bare.path / place).symlink_to(elsewhere)
    before = content(bare)
    done = bare.hubctl("restore", str(file))
    assert done.returncode == 1
    assert f"{bare.path / place} is a link to {elsewhere}: move it away" in done.stderr
    assert content(bare) == before


def test_files_of_other_programs_that_the_settings_name_stay(server_root: ServerRoot, bare: ServerRoot) -> None:
    """Another place for key and certificate than on the server that the backup is for."""
    for name in ("key", "cert"):
        put(server_root, f"etc/pki/site.{name}", "")
        server_root.certificate.with_name("hub.key" if name == "key" else "hub.crt").rename(
            server_root.path / f"etc/pki/site.{name}"
        )
        assert server_root.hubctl("config", "set", f"tls.{name}", f"/etc/pki/site.{name}").returncode == 0
    file = backup(server_root)
    put(bare, "etc/pki/site.key", "another's")
    done = bare.hubctl("restore", str(file))
    assert done.returncode == 1
    assert f"{bare.path}/etc/pki/site.key is there, and is no file of this hub" in done.stderr
    assert (bare.path / "etc/pki/site.key").read_text() == "another's"
    (bare.path / "etc/pki/site.key").unlink()
    assert bare.hubctl("restore", str(file)).returncode == 0
    assert (bare.path / "etc/pki/site.key").stat().st_mode & 0o777 == 0o600


def test_backup_of_a_newer_jupyterhub_is_refused(server_root: ServerRoot) -> None:
    file = backup(server_root)

    def newer(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "manifest.json":
            manifest = json.loads(data)
            manifest["versions"] |= {"jupyterhub": "99.0", "hubctl": "2099.1"}
            data = json.dumps(manifest).encode()
        return entry, data

    rewritten(file, newer)
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert "bring this server to release 2099.1 first" in done.stderr


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
    assert "No space left on device" in done.stderr
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
