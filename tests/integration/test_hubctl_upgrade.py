"""``hubctl upgrade`` on a server whose hub runs, with two users at work: killed on the way, failed, done, and back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import newer_release, older_release
from tests.containers import Container, base_image, running
from tests.integration.upgrade_support import (
    AGAIN,
    BROKEN,
    BUILT,
    CONDA,
    DATABASE,
    FINISH,
    GO_BACK,
    GO_ON,
    HUBCTL,
    KILLING,
    NEWER,
    OLD,
    kill_at,
    on_a_terminal,
    packages,
    releases,
    schema,
)
from tests.killing import HOLD, PARTS
from tests.product import ENVIRONMENT, PREFIX, ready_servers
from tests.waiting import wait_for

USERS = {"alice": "correct-horse", "bob": "battery-staple"}

UPGRADE = f"umask 077; {HUBCTL} upgrade --yes --to {BUILT} || exec {FINISH}"
"""What the administrator, whose new files are for nobody else, types again after a kill: the same, or what `hubctl
upgrade` has named."""

BY_CONDA = f"umask 077; exec {CONDA} install --yes --quiet -n jupyterhubenv hubforge={BUILT}"

BY_INSTALLER = "exec bash /dist/hub-installer.sh -b -u"
"""It looks for the processes of killed runs; in the container nobody buries those that are not the shell's own."""

BACK = f"umask 077; {HUBCTL} rollback --yes || exec {FINISH} --back"


@pytest.fixture(scope="module")
def server(older: Path, installer: Path, published: Path) -> Iterator[Container]:
    """A server without network on which the older release runs, and two users. A package of the site's own is added."""
    mounts = {older.parent: "/older", installer.parent: "/dist", published: "/channel"}
    mounts[Path(__file__).parents[1]] = "/tests"
    with running(base_image("bookworm"), mounts=mounts) as container:
        container.run("bash", f"/older/{older.name}", "-b")
        for user, password in USERS.items():
            container.shell(f"useradd -m -G jupyterhub {user}; echo {user}:{password} | chpasswd")
        container.shell("echo '# ours' >>/etc/jupyterhub/hub.yaml")
        container.shell(f"{HUBCTL} channel set file:///channel; {HUBCTL} start")
        container.shell(f"{CONDA} install --yes --quiet -n jupyterhubenv {newer_release.SITE}")
        for user in USERS:
            log_in(container, user)
        yield container


def log_in(server: Container, user: str) -> None:
    """Starts the user's server, where it does not run yet."""
    command = [f"{ENVIRONMENT}/bin/python", "-B", "/tests/login.py", "https://localhost:8000", user]
    server.run(*command, text=f"{USERS[user]}\n")


def processes(server: Container) -> str:
    """The hub's process and those of the users."""
    hub = server.shell("head -n 1 /run/jupyterhub/hub.pid")
    return hub + server.shell(f"find /proc -maxdepth 1 {' -o '.join(f'-user {user}' for user in USERS)} | sort")


def conda_leftovers(server: Container) -> str:
    """What a kill of conda leaves beside packages, and conda does not remove."""
    return server.shell(f"find {PREFIX} {ENVIRONMENT} -maxdepth 1 '(' -name '.tmp*' -o -name .condatmp ')'")


def strangers(server: Container) -> str:
    """Files that no package has brought."""
    return server.shell(f"{KILLING} strangers {ENVIRONMENT}; {KILLING} strangers {PREFIX}")


def assert_found_again(server: Container) -> None:
    """A hub that takes the place of this one, which ends without a word, takes over the servers that run."""
    at_work = processes(server).splitlines()[1:]
    server.shell("kill -9 $(head -n 1 /run/jupyterhub/hub.pid)")
    server.shell(f"{HUBCTL} start")
    wait_for("the users' servers", lambda: ready_servers(server) == sorted(USERS))
    assert processes(server).splitlines()[1:] == at_work
    for user in USERS:
        log_in(server, user)


# Each test goes on where the one before ended.


def test_a_dry_run_shows_what_would_change_and_writes_nothing(server: Container) -> None:
    server.shell("touch /tmp/before")
    shown = server.shell(f"{HUBCTL} upgrade --dry-run --to {BUILT}").splitlines()
    assert f"jupyterhubenv hubforge {OLD} {BUILT}" in shown
    assert f"jupyterhubenv hubctl {OLD} {BUILT}" in shown
    assert any(line.startswith(f"base idna {older_release.CHANGED['idna']} ") for line in shown)
    told = json.loads(server.shell(f"{HUBCTL} upgrade --dry-run --json --to {BUILT}"))
    assert told["release"] == BUILT
    assert {"environment": "jupyterhubenv", "package": "hubforge", "before": OLD, "after": BUILT} in told["changes"]
    assert server.shell(f"find {PREFIX} /etc/jupyterhub -type f -newer /tmp/before ! -name '*.pyc'") == ""


def test_a_release_that_the_channel_has_not_is_refused_with_those_that_it_has(server: Container) -> None:
    refused = server.run(HUBCTL, "upgrade", "--yes", "--to", "1999.01", check=False)
    assert refused.returncode == 1
    assert f"{OLD}, {BUILT}, {NEWER}, {BROKEN}" in refused.stderr


def test_killed_it_goes_back_where_that_is_wanted_killed_ten_times_on_the_way(server: Container) -> None:
    before = processes(server), strangers(server), packages(server), packages(server, "base")
    kill_at(server, "base is done", UPGRADE)
    for point in ("base has begun", *PARTS):
        kill_at(server, point, BACK, BUILT, OLD)
    said = server.shell(BACK)
    assert f"Everything is as before the upgrade, release {OLD}." in said
    assert releases(server) == (OLD, OLD)
    assert (processes(server), strangers(server), packages(server), packages(server, "base")) == before
    assert conda_leftovers(server) == ""


def test_killed_ten_times_it_arrives_and_users_go_on_working(server: Container) -> None:
    before = processes(server), strangers(server)
    for point in (*PARTS, "base has begun", "the host has a new default"):
        kill_at(server, point, UPGRADE)
    said = server.shell(UPGRADE)
    assert f"Going on with the upgrade to release {BUILT}" in said
    assert releases(server) == (BUILT, BUILT)
    assert (processes(server), strangers(server)) == before
    assert conda_leftovers(server) == ""
    assert "# of the release before" not in server.shell("cat /etc/jupyterhub/hub.yaml.new")
    assert server.shell("tail -n 1 /etc/jupyterhub/hub.yaml") == "# ours\n"


def test_the_servers_of_the_users_are_found_by_the_hub_of_the_new_release(server: Container) -> None:
    assert_found_again(server)


def test_conda_has_nothing_to_add_to_what_hubctl_did(server: Container) -> None:
    for name, spec in (("jupyterhubenv", f"hubforge=={BUILT}"), ("base", f"hubforge-base=={BUILT}")):
        plan = json.loads(server.shell(f"{CONDA} install --dry-run --json -n {name} {spec}"))
        assert "actions" not in plan


def test_conda_asked_for_a_release_is_killed_ten_times_and_arrives_too(server: Container) -> None:
    before = processes(server), strangers(server)
    done = on_a_terminal(server, "rollback", answers={GO_BACK: "y\n", AGAIN: "n\n"})
    assert done.returncode == 0, done.stdout
    assert releases(server) == (OLD, BUILT)
    for point in PARTS:
        kill_at(server, point, BY_CONDA)
    said = server.shell(BY_CONDA)
    assert f"Release {BUILT} is there." in said, "what hubctl upgrade says"
    assert releases(server) == (BUILT, BUILT)
    assert (processes(server), strangers(server)) == before
    assert conda_leftovers(server) == ""


def test_gone_back_from_its_end_killed_ten_times_on_the_way_and_users_go_on_working(server: Container) -> None:
    before = processes(server), strangers(server), packages(server), packages(server, "base")
    for point in PARTS:
        kill_at(server, point, BACK, BUILT, OLD)
    said = server.shell(BACK)
    assert f", release {OLD}." in said
    assert releases(server) == (OLD, BUILT)
    assert processes(server) == before[0]
    assert conda_leftovers(server) == ""
    assert_found_again(server)
    server.shell(UPGRADE)
    assert releases(server) == (BUILT, BUILT)
    assert (strangers(server), packages(server), packages(server, "base")) == before[1:]


def test_conda_hands_over_what_names_a_release_alone(server: Container) -> None:
    for asked, said in (
        (f"install -n jupyterhubenv hubforge={OLD}", f"Release {OLD} is older than {BUILT}"),
        (f"install -n jupyterhubenv --dry-run hubforge={OLD}", "DryRunExit"),
        ("install -n jupyterhubenv hubforge=1999.01", "The channel has no release 1999.01"),
        ("install -n base hubforge=1999.01", "PackagesNotFoundError"),
        (f"install -n jupyterhubenv hubforge=1999.01 {newer_release.SITE}", "PackagesNotFoundError"),
        ("update -n jupyterhubenv hubforge", "Nobody is there to answer this"),
    ):
        done = server.run("sh", "-c", f"{CONDA} {asked} </dev/null", check=False)
        assert said in done.stdout + done.stderr, asked
    assert releases(server) == (BUILT, BUILT)


def test_the_installer_takes_both_environments_back_killed_ten_times_on_the_way(server: Container) -> None:
    before = processes(server)
    back = "exec bash /older/older-installer.sh -b -u --allow-downgrade"
    for point in ("the installer has begun", "the set before is kept", "base has begun", *PARTS):
        kill_at(server, point, back, BUILT, OLD)
        assert processes(server) == before, point
    server.shell(back)
    assert releases(server) == (OLD, OLD)
    assert processes(server) == before


def test_the_installer_killed_ten_times_arrives_and_the_servers_of_the_users_are_found_again(server: Container) -> None:
    before = processes(server), strangers(server)
    first = ("the installer has begun", "the set before is kept", "base has begun")
    for point in (*first, *PARTS, "the release is complete"):
        kill_at(server, point, BY_INSTALLER)
        assert processes(server) == before[0], point
    server.shell(BY_INSTALLER)
    assert releases(server) == (BUILT, BUILT)
    assert (processes(server), strangers(server)) == before
    assert_found_again(server)


def test_an_update_of_all_stays_with_the_release(server: Container) -> None:
    for name in ("jupyterhubenv", "base"):
        server.shell(f"{CONDA} update --all --yes --quiet -n {name}")
    assert releases(server) == (BUILT, BUILT)
    assert packages(server)[newer_release.SITE] == "1.0"


def test_a_release_that_fails_gives_back_packages_and_database_and_the_hub_runs(server: Container) -> None:
    before = schema(server)
    failed = server.run(HUBCTL, "upgrade", "--yes", "--restart", "--to", BROKEN, check=False)
    assert failed.returncode == 1
    assert f"Going back to release {BUILT}" in failed.stderr
    assert f"Everything is as before the upgrade, release {BUILT}." in failed.stdout
    assert releases(server) == (BUILT, BUILT)
    assert schema(server) == before
    assert json.loads(server.shell(f"{HUBCTL} status --json"))["answers"]


def test_killed_while_the_schema_changes_the_database_goes_back_as_it_was(server: Container) -> None:
    before = schema(server)
    server.shell(f"touch {HOLD}")
    upgrade = f"{HUBCTL} upgrade --yes --restart --to {NEWER}"
    kill_at(server, "half of the new schema is there", upgrade, BUILT, NEWER)
    assert newer_release.TABLE in schema(server)
    server.shell(BACK)
    assert releases(server) == (BUILT, BUILT)
    assert schema(server) == before
    assert json.loads(server.shell(f"{HUBCTL} status --json"))["answers"]


def test_a_release_with_another_schema_changes_the_database_while_no_hub_runs(server: Container) -> None:
    hub = server.shell("head -n 1 /run/jupyterhub/hub.pid")
    done = on_a_terminal(server, "upgrade", "--to", NEWER, answers={GO_ON: "y\n", AGAIN: "y\n"})
    assert done.returncode == 0, done.stdout
    assert releases(server) == (NEWER, NEWER)
    assert newer_release.TABLE in schema(server)
    assert server.shell("head -n 1 /run/jupyterhub/hub.pid") != hub
    assert json.loads(server.shell(f"{HUBCTL} status --json"))["answers"]
    assert packages(server)[newer_release.SITE] == "1.0"
    assert server.shell(f"stat -c %a {DATABASE}.before-upgrade") == "600\n"
    assert server.run(HUBCTL, "verify").returncode == 0


def test_what_is_there_is_said_and_what_is_older_is_a_matter_of_rollback(server: Container) -> None:
    assert "nothing newer" in server.shell(f"{HUBCTL} upgrade --yes --to {NEWER}")
    older = server.run(HUBCTL, "upgrade", "--yes", "--to", BUILT, check=False)
    assert older.returncode == 1
    assert "hubctl rollback" in older.stderr


def test_rollback_and_the_copy_of_the_database_give_the_release_before(server: Container) -> None:
    server.shell(f"{HUBCTL} rollback --yes --restart")
    assert releases(server) == (BUILT, NEWER)
    assert json.loads(server.shell(f"{HUBCTL} status --json"))["answers"]


def test_an_altered_file_is_found(server: Container) -> None:
    server.shell(f"echo x >>{ENVIRONMENT}/share/hubforge/config/hub.yaml; rm {PREFIX}/share/newer/idna")
    found = server.run(HUBCTL, "verify", check=False)
    assert found.returncode == 1
    assert f"{ENVIRONMENT}/share/hubforge/config/hub.yaml of hubctl" in found.stdout
    assert f"{PREFIX}/share/newer/idna of idna" in found.stdout
