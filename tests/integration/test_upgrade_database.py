"""A release with another schema of the hub's database: killed while it changes it, and gone back from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import construct
from forge.paths import CONSTRUCT
from tests import newer_release
from tests.answering import CTRL_C, CTRL_D
from tests.containers import Container, base_image, running
from tests.integration.upgrade_support import AGAIN, GO_BACK, GO_ON, on_a_terminal
from tests.product import ENVIRONMENT, PREFIX

BUILT, NEWER = construct.read(CONSTRUCT).version, newer_release.VERSION

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
UPGRADE = f"{PREFIX}/.hubforge/upgrade"
STATE = "/var/lib/jupyterhub"

KILLED = f"""
setsid {HUBCTL} upgrade --yes --restart --to {NEWER} &
until grep -qs '"is_migrated": true' {UPGRADE}/journal.json; do [ -d /proc/$! ] || exit 1; sleep 0.1; done
kill -s KILL -- -$!
wait $! || true
while grep -qs 'upgrade-d[b]' /proc/[0-9]*/cmdline; do sleep 0.1; done
"""
"""`hubctl upgrade`, ended by SIGKILL with all that it has started when the database is about to change."""


@pytest.fixture(scope="module")
def server(installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A server without network whose hub runs, and whose channel has a newer release."""
    published = newer_release.publish(tmp_path_factory.mktemp("newer"), installer)
    mounts = {installer.parent: "/dist", published: "/channel", Path(__file__).parents[1]: "/tests"}
    with running(base_image("bookworm"), mounts=mounts) as container:
        container.run("bash", "/dist/hub-installer.sh", "-b")
        container.shell(f"{HUBCTL} channel set file:///channel; {HUBCTL} start")
        yield container


def release(server: Container) -> str:
    return server.shell(f"ls {ENVIRONMENT}/conda-meta/hubforge-[0-9]*").split("hubforge-")[-1].split("-")[0]


def has_the_newer_schema(server: Container, database: str) -> bool:
    program = f"import sqlite3; print(*sqlite3.connect('{database}').execute('SELECT name FROM sqlite_master'))"
    return newer_release.TABLE in server.run(f"{ENVIRONMENT}/bin/python", "-c", program).stdout


def answers(server: Container) -> bool:
    return bool(json.loads(server.run(HUBCTL, "status", "--json", check=False).stdout)["answers"])


def copies(server: Container, kind: str = "") -> list[str]:
    """What lies beside the database; JupyterHub's own copies, with a date, do, too."""
    return server.shell(f"ls {STATE}/jupyterhub.sqlite.{kind}* 2>/dev/null || true").split()


def files(server: Container) -> str:
    """When each of them was changed last."""
    return server.shell(f"find {PREFIX} {STATE} /etc -type f -printf '%p %T+\\n' | sort")


def all_but_the_database(server: Container) -> set[str]:
    """The same where a hub runs, which writes to its database; without byte code, and what conda has of a channel."""
    others = r"/jupyterhub\.sqlite(-journal)? |\.pyc |/pkgs/cache/"
    return {line for line in files(server).splitlines() if not re.search(others, line)}


def hub(server: Container) -> str:
    """Its process."""
    return server.shell("head -n 1 /run/jupyterhub/hub.pid")


# Each test goes on where the one before ended.


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({GO_ON: "n\n"}, 1),
        ({GO_ON: CTRL_C}, 130),
        ({GO_ON: "y\n", AGAIN: CTRL_D}, 1),
    ],
    ids=["no", "ctrl-C", "yes and ctrl-D"],
)
def test_an_upgrade_that_is_not_agreed_to_changes_nothing(
    server: Container, answers: dict[str, str], code: int
) -> None:
    before = hub(server), all_but_the_database(server)
    done = on_a_terminal(server, "upgrade", "--to", NEWER, answers=answers)
    assert (done.returncode, hub(server)) == (code, before[0]), done.stdout
    assert all_but_the_database(server) ^ before[1] == set()


def test_killed_while_the_database_changes_the_installer_refuses_and_names_what_finishes_it(server: Container) -> None:
    server.shell(KILLED)
    before = files(server).splitlines()
    for arguments in (["-b", "-u"], ["-b", "-f"], ["--check", "-u"]):
        refused = server.run("bash", "/dist/hub-installer.sh", *arguments, "--log", "/dev/null", check=False)
        assert refused.returncode == 1
        said = refused.stdout + refused.stderr
        assert f'"{UPGRADE}/finish" goes on with it, "{UPGRADE}/finish --back" goes back' in said
    assert set(files(server).splitlines()) ^ set(before) == set()


def test_what_it_names_finishes_it(server: Container) -> None:
    server.shell(f"{UPGRADE}/finish")
    assert (release(server), answers(server)) == (NEWER, True)
    assert has_the_newer_schema(server, f"{STATE}/jupyterhub.sqlite")
    assert copies(server, "before-upgrade") == [f"{STATE}/jupyterhub.sqlite.before-upgrade"]
    assert not has_the_newer_schema(server, f"{STATE}/jupyterhub.sqlite.before-upgrade")


def test_a_database_that_has_to_go_back_is_not_taken_from_a_hub_that_runs_without_a_word(server: Container) -> None:
    refused = server.run(HUBCTL, "rollback", "--yes", check=False)
    assert refused.returncode == 1
    assert f"{STATE}/jupyterhub.sqlite.before-upgrade, of 20" in refused.stdout
    assert "give --restart, too, or `hubctl stop` first" in refused.stderr
    assert (release(server), answers(server)) == (NEWER, True)


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), (CTRL_D, 1)], ids=["no", "ctrl-D"])
def test_a_way_back_that_is_not_agreed_to_changes_nothing(server: Container, answer: str, code: int) -> None:
    before = hub(server), all_but_the_database(server)
    done = on_a_terminal(server, "rollback", answers={GO_BACK: answer})
    assert (done.returncode, hub(server)) == (code, before[0]), done.stdout
    assert all_but_the_database(server) ^ before[1] == set()


def test_when_that_is_agreed_to_the_hub_of_the_release_before_starts_and_nothing_is_lost(server: Container) -> None:
    done = on_a_terminal(server, "rollback", answers={GO_BACK: "yes\n"})
    said = done.stdout
    assert done.returncode == 0, said
    assert "The hub, which runs, is started again for that." in said
    assert (release(server), answers(server)) == (BUILT, True)
    assert not has_the_newer_schema(server, f"{STATE}/jupyterhub.sqlite")
    [kept] = copies(server, "before-rollback-")
    assert kept in said
    assert has_the_newer_schema(server, kept)


def test_a_hub_that_is_not_to_be_started_again_keeps_its_database_and_that_is_said(server: Container) -> None:
    before = hub(server)
    server.shell(f"rm {STATE}/jupyterhub.sqlite.*")
    done = on_a_terminal(server, "upgrade", "--to", NEWER, answers={GO_ON: "y\n", AGAIN: "n\n"})
    assert (done.returncode, release(server), hub(server)) == (0, NEWER, before), done.stdout
    assert "The database has another schema from the hub's next start on" in done.stdout
    assert not has_the_newer_schema(server, f"{STATE}/jupyterhub.sqlite")
    assert copies(server) == []


def test_a_hub_that_has_changed_the_database_itself_is_gone_back_from_too(server: Container) -> None:
    server.shell(f"{HUBCTL} restart")
    assert has_the_newer_schema(server, f"{STATE}/jupyterhub.sqlite")
    [by_the_hub] = copies(server)
    server.shell(f"{HUBCTL} stop; mv {by_the_hub} /root/copy")
    refused = server.run(HUBCTL, "rollback", "--yes", check=False)
    assert (refused.returncode, release(server)) == (1, NEWER)
    assert "no copy from before lies beside it: `hubctl restore`" in refused.stderr
    server.shell(f"mv /root/copy {by_the_hub}; {HUBCTL} rollback --yes; {HUBCTL} start")
    assert (release(server), answers(server)) == (BUILT, True)
