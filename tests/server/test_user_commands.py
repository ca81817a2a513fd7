"""`hubctl admin` and `hubctl user`, with a real hub and a real KDC."""

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
from conftest import ServerRoot
from hub_support import log_in, password
from hubctl import cli, daemon, tickets
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.user_commands import app
from jupyterhub_kerberos.cache import TicketFolders
from jupyterhub_kerberos.tickets import TicketOffice
from k5test.realm import MITRealm
from kerberos_support import PASSWORD, REALM, USER, as_user
from typer.testing import CliRunner

from tests.waiting import wait_for

pytest_plugins = ["kerberos_support"]


def secret(root: ServerRoot) -> str:
    """What administrators log in with, where all users share a password."""
    return (root.path / "var/lib/jupyterhub/shared_admin_password").read_text().strip()


def sees_the_admin_page(root: ServerRoot, session: requests.Session) -> bool:
    return session.get(f"{root.url}/hub/admin").status_code == 200


@pytest.fixture
def hub(server_root: ServerRoot) -> ServerRoot:
    """A running hub with an administrator, eve."""
    assert server_root.hubctl("admin", "add", "eve").returncode == 0
    assert server_root.hubctl("start").returncode == 0
    return server_root


def test_administrator_has_the_admin_page_until_removed(hub: ServerRoot) -> None:
    eve, _ = log_in(hub, "eve", secret(hub))
    assert sees_the_admin_page(hub, eve)
    assert hub.hubctl("admin", "list").stdout == "eve admin_users\n"

    done = hub.hubctl("admin", "remove", "eve")

    assert done.returncode == 0, done.stderr
    assert not sees_the_admin_page(hub, eve), "before the hub was restarted"
    assert hub.hubctl("admin", "list", "--json").stdout == "[]\n"
    assert hub.hubctl("restart").returncode == 0
    eve, _ = log_in(hub, "eve", password(hub))
    assert not sees_the_admin_page(hub, eve)


def test_administrator_of_a_hub_that_does_not_run_is_removed_from_its_database(hub: ServerRoot) -> None:
    log_in(hub, "eve", secret(hub))
    assert hub.hubctl("stop").returncode == 0
    assert hub.hubctl("admin", "add", "dora").returncode == 0
    assert hub.hubctl("admin", "remove", "eve").returncode == 0
    assert hub.hubctl("start").returncode == 0
    listed = json.loads(hub.hubctl("user", "list", "--json").stdout)
    assert {user["name"]: user["admin"] for user in listed} == {"dora": True, "eve": False}


def test_administrator_made_on_the_admin_page_is_listed_and_removed(hub: ServerRoot) -> None:
    log_in(hub, "alice", password(hub))
    eve, _ = log_in(hub, "eve", secret(hub))
    headers = {"Referer": f"{hub.url}/hub/admin", "X-XSRFToken": eve.cookies.get("_xsrf", path="/hub/") or ""}
    eve.patch(f"{hub.url}/hub/api/users/alice", json={"admin": True}, headers=headers).raise_for_status()
    assert hub.hubctl("admin", "list").stdout == "eve admin_users\nalice the admin page\n"
    assert hub.hubctl("admin", "remove", "alice").returncode == 0
    assert hub.hubctl("admin", "list").stdout == "eve admin_users\n"


def test_who_is_no_administrator_cant_be_removed(server_root: ServerRoot) -> None:
    done = server_root.hubctl("admin", "remove", "bob")
    assert (done.returncode, done.stderr) == (
        1,
        "hubctl: bob is no administrator: `hubctl admin list` shows them\n",
    )


def test_those_who_are_no_administrators_yet_become_some_beside_one_who_is(hub: ServerRoot) -> None:
    for names in (("eve", "bob"), ("carol", "eve")):
        done = hub.hubctl("admin", "add", *names)
        assert (done.returncode, done.stderr) == (0, "")
        assert "eve is an administrator already.\n" in done.stdout
        assert done.stdout.endswith("takes it up with `hubctl restart`.\n")
    assert hub.hubctl("admin", "add", "eve", "bob").stdout.endswith("already.\n"), "nothing has changed"
    assert hub.hubctl("admin", "list").stdout == "eve admin_users\nbob admin_users\ncarol admin_users\n"


def test_administrator_without_an_account_is_one_and_that_nobody_can_log_in_so_yet_is_said(
    server_root: ServerRoot,
) -> None:
    server_root.settings.write_text("auth: pam\nspawner: local\n")
    done = server_root.hubctl("admin", "add", "mallory", "root")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "mallory is an administrator.")
    said = "hubctl: this server has no account mallory: nobody can log in as mallory until it has one\n"
    assert done.stderr == said
    assert server_root.hubctl("admin", "list").stdout == "mallory admin_users\nroot admin_users\n"


def test_a_mistake_in_one_name_changes_nothing_for_the_names_before_it(hub: ServerRoot) -> None:
    for command in (("add", "bob", "no name"), ("remove", "eve", "mallory")):
        done = hub.hubctl("admin", *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert hub.hubctl("admin", "list").stdout == "eve admin_users\n"


@pytest.mark.parametrize("command", [("list",), ("remove", "eve")], ids=["list", "remove"])
def test_damaged_database_is_named_in_one_line(server_root: ServerRoot, command: tuple[str, ...]) -> None:
    assert server_root.hubctl("admin", "add", "eve").returncode == 0
    database = server_root.path / "var/lib/jupyterhub/jupyterhub.sqlite"
    database.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    os.chown(database, server_root.user.uid, server_root.user.gid)
    done = server_root.hubctl("admin", *command)
    assert done.returncode == 1
    assert done.stderr.startswith(f"hubctl: {database} can't be used: ")
    assert done.stderr.endswith("`hubctl restore` puts back the one of a backup\n")
    assert done.stderr.count("\n") == 1


def test_administrator_in_a_damaged_part_of_the_database_is_not_said_to_be_removed(hub: ServerRoot) -> None:
    log_in(hub, "eve", secret(hub))
    assert hub.hubctl("stop").returncode == 0
    database = hub.path / "var/lib/jupyterhub/jupyterhub.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE roles DROP COLUMN description")
        connection.commit()
    done = hub.hubctl("admin", "remove", "eve")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith(f"hubctl: {database} can't be used: no such column")


def test_servers_of_a_user_are_listed_and_ended(hub: ServerRoot) -> None:
    sessions = {name: log_in(hub, name, password(hub))[0] for name in ("alice", "bob")}
    for name, session in sessions.items():
        session.get(f"{hub.url}/hub/spawn/{name}")
        wait_for(f"{name}'s server", lambda n=name, s=session: s.get(f"{hub.url}/user/{n}/api").ok)  # type: ignore[misc]
    lines = hub.hubctl("user", "list").stdout.splitlines()
    assert [(line.split()[0], line.split()[1], line.split()[-1]) for line in lines] == [
        ("eve", "admin", "-"),
        ("alice", "-", "running"),
        ("bob", "-", "running"),
    ]

    done = hub.hubctl("user", "stop", "alice")

    assert (done.returncode, done.stdout) == (0, "alice's server was ended.\n"), done.stderr
    servers = json.loads(hub.hubctl("status", "--json").stdout)["servers"]
    assert [server["user"] for server in servers] == ["bob"]
    assert hub.hubctl("user", "stop", "alice").stdout == "alice has no server that runs.\n"


def test_last_activity_is_said_in_the_servers_time_and_for_programs_in_utc(
    hub: ServerRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = log_in(hub, "alice", password(hub))
    alice.get(f"{hub.url}/hub/spawn/alice")
    wait_for("her server", lambda: alice.get(f"{hub.url}/user/alice/api").ok)
    assert re.search(r"server: alice - \w+ [\d-]+ \d\d:\d\d\n", hub.hubctl("status").stdout)
    assert hub.hubctl("user", "stop", "alice").returncode == 0
    monkeypatch.setattr(ServerRoot, "surroundings", ["env", "TZ=UTC-5"])  # five hours ahead
    _, found = json.loads(hub.hubctl("user", "list", "--json").stdout)
    local = datetime.fromisoformat(found["last_activity"]) + timedelta(hours=5)
    assert hub.hubctl("user", "list").stdout.splitlines()[1] == f"alice - {local:%Y-%m-%d %H:%M} -"


def test_user_whom_the_hub_does_not_know_is_told(hub: ServerRoot) -> None:
    done = hub.hubctl("user", "stop", "mallory")
    assert done.returncode == 1
    assert done.stderr == "hubctl: The hub does not know a user mallory: `hubctl user list` shows whom it knows\n"


def test_name_is_a_name_and_no_path_to_another_answer(hub: ServerRoot) -> None:
    done = hub.hubctl("user", "stop", "../users")
    assert done.returncode == 1
    assert done.stderr == "hubctl: The hub does not know a user ../users: `hubctl user list` shows whom it knows\n"


def test_hub_that_does_not_run_is_told_in_one_line(server_root: ServerRoot) -> None:
    for command in (["list"], ["stop", "alice"]):
        done = server_root.hubctl("user", *command)
        assert done.returncode == 1
        assert done.stderr.startswith("hubctl: The hub does not answer")
        assert done.stderr.count("\n") == 1


def test_hub_that_has_died_before_its_proxy_does_not_answer(hub: ServerRoot) -> None:
    found = daemon.running(Layout(hub.path))
    assert found
    found.signal(signal.SIGKILL)
    wait_for("the hub's end", lambda: not found.alive)
    done = hub.hubctl("user", "list")
    said = "hubctl: The hub does not answer (its proxy does: status 503): `hubctl status` shows whether it runs\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.fixture
def layout(kdc: MITRealm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """A server whose users log in by Kerberos; nobody, who has no rights on a test's private folder, has a ticket."""
    root = Path(f"/run/hubforge-test-{os.getpid()}")
    monkeypatch.setenv("HUBFORGE_ROOT", str(root))
    monkeypatch.setenv("KRB5_CONFIG", kdc.env["KRB5_CONFIG"])
    layout = Layout(root)
    layout.settings.parent.mkdir(parents=True)
    layout.settings.write_text("auth: kerberos\n")
    yield layout
    shutil.rmtree(root)


def get_ticket(layout: Layout, lifetime: str, renewable: str = "7d") -> None:
    folders = TicketFolders(layout.tickets)
    office = TicketOffice(folders, REALM, None, lifetime, renewable, 30, os.environ["KRB5_CONFIG"])
    asyncio.run(office.obtain(as_user(), PASSWORD))


def test_ticket_of_a_user_is_shown(layout: Layout) -> None:
    get_ticket(layout, "10h")
    done = CliRunner().invoke(app, ["tickets", USER, "--json"])
    assert done.exit_code == 0
    (found,) = json.loads(done.output)
    assert found["cache"] == str(layout.tickets / USER / "krb5cc")
    assert (found["principal"], found["valid"]) == (f"{USER}@{REALM}", True)
    assert found["start"] < found["end"] < found["renewable_until"]
    done = CliRunner().invoke(app, ["tickets", USER])
    end, renewable = (datetime.fromisoformat(found[key]).astimezone() for key in ("end", "renewable_until"))
    until = f"valid until: {end:%Y-%m-%d %H:%M}\nrenewable until: {renewable:%Y-%m-%d %H:%M}\n"
    assert f"principal: {USER}@{REALM}\n{until}" in done.output
    assert json.loads(CliRunner().invoke(cli.app, ["status", "--json"]).output)["tickets"] == [found]
    assert "\ntickets: 1 valid\n" in CliRunner().invoke(cli.app, ["status"]).output


def test_ticket_that_is_over_is_said_to_be(layout: Layout) -> None:
    get_ticket(layout, "1s", "1s")
    wait_for("the ticket's end", lambda: not tickets.find(Settings(auth="kerberos"), layout)[0].valid)
    done = CliRunner().invoke(app, ["tickets", USER])
    assert done.exit_code == 1
    assert "(over)" in done.output
    assert "\ntickets: 0 valid, 1 over\n" in CliRunner().invoke(cli.app, ["status"]).output


def test_user_without_a_ticket_is_said_to_have_none(layout: Layout) -> None:
    done = CliRunner().invoke(app, ["tickets", USER])
    assert (done.exit_code, done.output) == (1, f"{USER} has no ticket: the next login gets one.\n")


def test_tickets_are_not_asked_for_where_users_have_none(layout: Layout) -> None:
    layout.settings.write_text("auth: pam\n")
    done = CliRunner().invoke(app, ["tickets", USER])
    assert isinstance(done.exception, HubError)
    assert "`auth: pam`" in str(done.exception)


def test_tickets_of_somebody_without_an_account_are_none_that_a_login_could_get(layout: Layout) -> None:
    done = CliRunner().invoke(app, ["tickets", "mallory"])
    assert isinstance(done.exception, HubError)
    assert str(done.exception) == "This server has no account mallory: `hubctl user list` shows the hub's users"
