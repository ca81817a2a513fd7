"""`hubctl migrate`: a hub that was made by hand years ago, with JupyterHub 1.x, goes on as one of ours."""

import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from account_support import AccountRoot, make_account_root
from hub_support import ROOT_USER, browser, log_in
from hubctl import settings
from k5test.realm import MITRealm
from kerberos_support import NO_TICKET, PASSWORD, SERVICES
from oldsite_support import OLD_TOKEN, SECRETS, OldHub, install, make_old_hub

pytest_plugins = ["kerberos_support"]


@dataclass(frozen=True)
class Server(AccountRoot):
    """With PAM's files and a KDC of its own."""

    @property
    def surroundings(self) -> list[str]:
        own = ["unshare", "--mount", "sh", "-euc", f'mount --bind {self.path}/etc/pam.d /etc/pam.d; exec "$@"', "sh"]
        return [*super().surroundings, *own, "env", f"KRB5_CONFIG={self.path}/etc/krb5.conf"]


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
    server = Server(**vars(make_account_root(path / "root", ROOT_USER)))
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
    assert f"What was here before: {kept} (without a database: there was none here)\n" in moved.outputs[1]
    said = subprocess.run(["tar", "-xzOf", kept, "settings/hub.yaml"], capture_output=True, text=True, check=True)
    assert "memory: 8g" in said.stdout


def test_a_second_time_nothing_is_left_to_do(moved: Moved) -> None:
    assert moved.outputs[2].endswith("All of it is here already; nothing was changed.\n")
    assert f"port: {moved.server.port}   (is so)" in moved.outputs[2]
    assert "jupyterhub.sqlite is there, and stays" in moved.outputs[2]
    assert "docker rm" not in moved.outputs[2], "by now they are this hub's containers"
