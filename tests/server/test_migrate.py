"""`hubctl migrate`: a hub that was made by hand years ago, with JupyterHub 1.x, goes on as one of ours."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from account_support import AccountRoot, make_account_root
from conftest import HubUser, ServerRoot, make_server_root, self_signed
from hubctl import onestep, settings
from hubctl.layout import Layout
from hubctl.oldsite import apply, olddatabase, oldhub, plan
from k5test.realm import MITRealm
from kerberos_support import NO_TICKET, PASSWORD, SERVICES
from kill_support import killed
from oldsite_support import OLD_TOKEN, SECRETS, OldHub, make_old_hub
from test_hubctl import browser, log_in

pytest_plugins = ["kerberos_support"]

ROOT = HubUser("root", 0, 0)
SHIPPED = Path(__file__).parents[2] / "config/hub.yaml"


@dataclass(frozen=True)
class Server(AccountRoot):
    """With PAM's files and a KDC of its own."""

    @property
    def surroundings(self) -> list[str]:
        own = ["unshare", "--mount", "sh", "-euc", f'mount --bind {self.path}/etc/pam.d /etc/pam.d; exec "$@"', "sh"]
        return [*super().surroundings, *own, "env", f"KRB5_CONFIG={self.path}/etc/krb5.conf"]


def install(root: ServerRoot) -> None:
    """As the installer leaves it, with ports of its own, and one setting of the administrator's."""
    own = root.settings.read_text().splitlines()
    ports = next(line for line in own if line.startswith("internal_ports"))
    text = SHIPPED.read_text().partition("internal_ports:")[0].replace("memory: 4g", "memory: 8g")
    root.settings.write_text(f"{text}{ports}\n")


@dataclass
class Moved:
    """A server, the old hub on it, and what `hubctl migrate` said: before, with --apply, and with --apply again."""

    server: Server
    old: OldHub
    before: dict[str, tuple[str, int, int]]
    outputs: list[str]

    @property
    def text(self) -> str:
        return "".join(self.outputs)


@pytest.fixture(scope="module")
def moved(kdc: MITRealm) -> Iterator[Moved]:
    """Carried over, and the hub runs."""
    path = Path(tempfile.mkdtemp(prefix="hubforge-test-", dir="/tmp"))
    path.chmod(0o755)
    (path / "root").mkdir()
    server = Server(**vars(make_account_root(path / "root", ROOT)))
    install(server)
    shutil.copytree("/etc/pam.d", server.path / "etc/pam.d")
    (server.path / "etc/pam.d/jupyterhub").write_text(SERVICES[NO_TICKET])
    shutil.copy(kdc.env["KRB5_CONFIG"], server.path / "etc/krb5.conf")
    for name in ("alice", "bob"):
        kdc.run_kadminl(f"addprinc -maxrenewlife 7d -pw {PASSWORD} {name}@{kdc.realm}")
    old = make_old_hub(path / "old", server.port)
    made = Moved(server, old, old.content(), [])
    try:
        for arguments in ([], ["--apply"], ["--apply"]):
            settings_before = server.settings.read_text()
            done = server.hubctl("migrate", "--from", str(old.prefix), *arguments)
            assert done.returncode == 0, done.stderr
            made.outputs.append(done.stdout)
            assert arguments or server.settings.read_text() == settings_before
        started = server.hubctl("start")
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        server.hubctl("stop")
        shutil.rmtree(path)


# ---- a hub that was carried over ----


def test_everything_is_shown_before_it_is_done(moved: Moved) -> None:
    first = moved.outputs[0]
    assert f"JupyterHub.port port: {moved.server.port}" in first
    assert "limits.memory: 2g   (instead of 8g)" in first
    assert "3 users, 1 of them administrators" in first
    assert first.endswith("Nothing was changed yet; with --apply it is.\n")


def test_settings_are_those_of_the_old_hub(moved: Moved) -> None:
    found = settings.load(moved.server.settings)
    assert (found.auth, found.spawner, found.port) == ("kerberos", "docker", moved.server.port)
    assert (found.kerberos.realm, found.admin_users) == ("HUBFORGE.TEST", ["alice"])
    assert [(image.name, image.image) for image in found.docker.images] == [
        ("Spark", "site/spark:3"),
        ("Plain Python", "site/python:7"),
    ]
    assert found.docker.network == "host"
    assert [(str(mount.host), mount.writable) for mount in found.mounts] == [
        ("/shared", True),
        ("/opt/cloudera/parcels", False),
    ]
    assert (found.limits.memory, found.limits.cpu) == (2 * 1024**3, 1.5)
    assert found.idle_culler.timeout.total_seconds() == 7200
    assert found.pyspark.driver_memory == [1024**3], "a kernel of 2g has no room in 2g any more"


def test_comments_of_the_settings_stay(moved: Moved) -> None:
    text = moved.server.settings.read_text()
    assert "# kerberos | pam | shared-password" in text
    assert "# Every key is shown with its default." in text


def test_users_and_administrators_are_those_of_the_old_hub(moved: Moved) -> None:
    listed = json.loads(moved.server.hubctl("user", "list", "--json").stdout)
    assert {user["name"]: user["admin"] for user in listed} == {"alice": True, "bob": False, "eve": False}
    assert [user["name"] for user in listed if user["servers"]] == [], (
        "what ran in the old hub's time is not taken over"
    )


def test_groups_go_on_and_tokens_end(moved: Moved) -> None:
    with closing(sqlite3.connect(moved.server.path / "var/lib/jupyterhub/jupyterhub.sqlite")) as database:
        query = "SELECT users.name, groups.name FROM user_group_map, users, groups"
        assert database.execute(f"{query} WHERE users.id = user_id AND groups.id = group_id").fetchall() == [
            ("bob", "analysts")
        ]
    headers = {"Authorization": f"token {OLD_TOKEN}"}
    answer = browser(moved.server).get(f"{moved.server.url}/hub/api/user", headers=headers)
    assert answer.status_code == 403


def test_users_log_in_with_the_password_of_the_domain_and_get_a_ticket(moved: Moved) -> None:
    _, page = log_in(moved.server, "alice", PASSWORD)
    assert page.status_code == 200
    assert "/hub/login" not in page.url
    assert (moved.server.path / "run/jupyterhub/tickets/alice/krb5cc").exists()
    _, refused = log_in(moved.server, "bob", "wrong")
    assert refused.status_code == 403


def test_key_and_certificate_are_those_of_the_old_hub_and_the_ones_before_are_kept(moved: Moved) -> None:
    folder = moved.server.certificate.parent
    for name in ("hub.key", "hub.crt"):
        assert (folder / name).read_bytes() == (moved.old.prefix / "ssl" / name).read_bytes()
        assert len([*folder.glob(f"{name}.2*")]) == 1
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_what_a_person_has_to_do_is_said_with_the_line_and_what_to_do(moved: Moved) -> None:
    persons = moved.outputs[0].partition("Needs a person:\n")[2].partition("\n\n")[0].splitlines()
    lines = moved.old.config.read_text().splitlines()

    def told(name: str) -> str:
        (line,) = [line for line in persons if f" {name}: " in line]
        number = int(line.split()[1].rstrip(",")) if line.startswith("  line") else 0
        assert not number or name.rpartition(".")[2].removeprefix("class ") in lines[number - 1], line
        return line

    assert "`auth: kerberos` takes its place" in told("class KDBAuthenticator")
    assert "/home/{username}; their servers now see the folder `work`" in told("DockerSpawner.volumes")
    assert "c.DockerSpawner.environment.update" in told("DockerSpawner.environment")
    assert "kerberos.http_keytab" in told("Authenticator.auto_login")
    assert "hubctl image check site/spark:3" in told("DockerSpawner.image_whitelist")
    assert "beside the one for idle servers" in told("JupyterHub.services")
    assert told("Authenticator.whitelist").endswith("and these are not: usermod -aG jupyterhub eve")
    assert "docker ps --all --filter name=jupyter-" in told("containers of the old hub")
    assert told("tokens for programs").endswith("new ones are made, by bob")
    assert len(persons) == 9, persons


def test_no_secret_of_the_old_hub_is_printed_or_taken_over(moved: Moved) -> None:
    kept = b"".join(path.read_bytes() for path in moved.server.path.rglob("*") if path.is_file())
    assert [secret for secret in SECRETS if secret in moved.text or secret.encode() in kept] == []


def test_the_old_tree_is_as_it_was(moved: Moved) -> None:
    assert moved.old.content() == moved.before


def test_what_was_here_before_is_in_a_backup(moved: Moved) -> None:
    (kept,) = (moved.server.path / "var/lib/jupyterhub").glob("before-migrate-*.tar.gz")
    assert f"What was here before: {kept}" in moved.outputs[1]
    said = subprocess.run(["tar", "-xzOf", kept, "settings/hub.yaml"], capture_output=True, text=True, check=True)
    assert "memory: 8g" in said.stdout


def test_a_second_time_nothing_is_left_to_do(moved: Moved) -> None:
    assert moved.outputs[2].endswith("All of it is here already; nothing was changed.\n")
    assert f"port: {moved.server.port}   (is so)" in moved.outputs[2]
    assert "jupyterhub.sqlite is there, and stays" in moved.outputs[2]
    assert "docker rm" not in moved.outputs[2], "by now they are this hub's containers"


# ---- hubs that run, kills, and what can't be carried over ----


@dataclass
class Pair:
    """A server as the installer leaves it, and an old hub."""

    root: ServerRoot
    old: OldHub

    @property
    def layout(self) -> Layout:
        return Layout(self.root.path)

    def migrate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.root.hubctl_as(ROOT, "migrate", "--from", str(self.old.prefix), *arguments)

    def plan(self) -> plan.Plan:
        """As the command makes it, in this process."""
        work = Path(tempfile.mkdtemp(dir=self.old.prefix.parent))
        return plan.make(oldhub.find(self.old.prefix, None), self.layout, work)

    def persons(self) -> str:
        return "\n".join(f"{person.line} {person.what}: {person.do}" for person in self.plan().persons)


@pytest.fixture
def pair() -> Iterator[Pair]:
    path = Path(tempfile.mkdtemp(prefix="hubforge-test-", dir="/tmp"))
    (path / "root").mkdir()
    root = make_server_root(path / "root", ROOT)
    install(root)
    yield Pair(root, make_old_hub(path / "old", root.port))
    shutil.rmtree(path)


def test_an_old_hub_that_runs_is_said_and_is_left_running(pair: Pair) -> None:
    script = pair.old.prefix / "bin/jupyterhub"
    script.write_text("import time\ntime.sleep(600)\n")
    before = pair.old.content()
    with subprocess.Popen([sys.executable, script, "-f", pair.old.config.name], cwd=pair.old.prefix) as process:
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


def test_a_pair_that_another_program_renews_is_named_where_it_is(pair: Pair) -> None:
    for name in ("hub.key", "hub.crt"):
        real = (pair.old.prefix / "ssl" / name).rename(pair.old.prefix / name)
        (pair.old.prefix / "ssl" / name).symlink_to(real)
    found = pair.plan()
    assert found.pair is None
    assert ("tls", "key") in [row.carried.where for row in found.rows]
    assert str(pair.old.prefix / "ssl/hub.crt") in (found.text or "")


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
