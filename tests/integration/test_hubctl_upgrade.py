"""``hubctl upgrade`` on a server whose hub runs, with two users at work: killed on the way, failed, done, and back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import construct
from forge.paths import CONSTRUCT
from tests import newer_release, older_release
from tests.containers import Container, base_image, running
from tests.killing import BASE_POINTS, POINTS
from tests.product import ENVIRONMENT, PREFIX

OLD, BUILT = older_release.VERSION, construct.read(CONSTRUCT).version
NEWER, BROKEN = newer_release.VERSION, newer_release.BROKEN

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
CONDA = f"{PREFIX}/bin/conda"
FINISH = f"{PREFIX}/.hubforge/upgrade/finish"
DATABASE = "/var/lib/jupyterhub/jupyterhub.sqlite"
KILLING = f"$(ls -d {PREFIX}/pkgs/python-3.*/bin/python3.13) -B /tests/killing.py"
"""By the Python in the package cache: nothing takes that away."""

USERS = {"alice": "correct-horse", "bob": "battery-staple"}

UPGRADE = f"{HUBCTL} upgrade --yes --to {BUILT} || exec {FINISH}"
"""What the administrator types again after a kill: the same, or what `hubctl upgrade` has named."""

BY_CONDA = f"{CONDA} install --yes --quiet -n jupyterhubenv hubforge={BUILT}"

BACK = f"{HUBCTL} rollback --yes || exec {FINISH} --back"


@pytest.fixture(scope="module")
def server(older: Path, installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A server without network on which the older release runs, and two users. A package of the site's own is added."""
    published = newer_release.publish(tmp_path_factory.mktemp("newer"), older)
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


def packages(server: Container, environment: str = "jupyterhubenv") -> dict[str, str]:
    """Names and versions, as conda has them."""
    listed = json.loads(server.shell(f"{CONDA} list --json -n {environment}"))
    return {package["name"]: package["version"] for package in listed}


def releases(server: Container) -> tuple[str, str]:
    """Those of the hub's environment and of base; nothing is wrong with a file of either, and none was left over."""
    found = json.loads(server.run(HUBCTL, "verify", "--json", check=False).stdout)
    assert found["files"] == []
    assert server.shell(f"find {PREFIX} -name '*.c~' -not -path '*/pkgs/*'") == ""
    assert server.shell(f"ls {PREFIX}/.hubforge") == "installed.json\n"
    return packages(server)["hubforge"], packages(server, "base")["hubforge-base"]


def strangers(server: Container) -> str:
    """Files that no package has brought."""
    return server.shell(f"{KILLING} strangers {ENVIRONMENT}; {KILLING} strangers {PREFIX}")


def schema(server: Container) -> str:
    """What JupyterHub's tool for migrations has noted, and the tables."""
    query = "SELECT version_num FROM alembic_version UNION ALL SELECT name FROM sqlite_master WHERE type = 'table'"
    program = f"import sqlite3; print(sqlite3.connect('{DATABASE}').execute(\"{query}\").fetchall())"
    return server.run(f"{ENVIRONMENT}/bin/python", "-c", program).stdout


def kill_at(server: Container, point: str, script: str) -> None:
    """Ends a shell's script, and all that it has started, when the upgrade has come to a point."""
    command = f"exec {KILLING} {PREFIX} {OLD} {BUILT} '{point}' sh -c '{script}'"
    done = server.run("sh", "-euc", command, check=False)
    assert done.returncode == 0, f"it ended before this: {point}\n{done.stdout}\n{done.stderr}"


# Each test goes on where the one before ended.


def test_a_dry_run_shows_what_would_change_and_writes_nothing(server: Container) -> None:
    server.shell("touch /tmp/before")
    shown = server.shell(f"{HUBCTL} upgrade --dry-run --to {BUILT}").splitlines()
    assert f"jupyterhubenv hubforge {OLD} {BUILT}" in shown
    assert f"jupyterhubenv hubctl {OLD} {BUILT}" in shown
    assert any(line.startswith(f"base idna {older_release.CHANGED['idna']} ") for line in shown)
    assert server.shell(f"find {PREFIX} /etc/jupyterhub -type f -newer /tmp/before ! -name '*.pyc'") == ""


def test_a_release_that_the_channel_has_not_is_refused_with_those_that_it_has(server: Container) -> None:
    refused = server.run(HUBCTL, "upgrade", "--yes", "--to", "1999.01", check=False)
    assert refused.returncode == 1
    assert f"{OLD}, {BUILT}, {NEWER}, {BROKEN}" in refused.stderr


def test_killed_half_way_it_goes_back_where_that_is_wanted(server: Container) -> None:
    before = processes(server), strangers(server), packages(server), packages(server, "base")
    kill_at(server, "three fifths are there", UPGRADE)
    server.shell(BACK)
    assert releases(server) == (OLD, OLD)
    assert (processes(server), strangers(server), packages(server), packages(server, "base")) == before


def test_killed_ten_times_it_arrives_and_users_go_on_working(server: Container) -> None:
    before = processes(server), strangers(server)
    for point in (*POINTS, *BASE_POINTS):
        kill_at(server, point, UPGRADE)
    said = server.shell(UPGRADE)
    assert f"Going on with the upgrade to release {BUILT}" in said
    assert releases(server) == (BUILT, BUILT)
    assert (processes(server), strangers(server)) == before
    assert "# of the release before" not in server.shell("cat /etc/jupyterhub/hub.yaml.new")
    assert server.shell("tail -n 1 /etc/jupyterhub/hub.yaml") == "# ours\n"


def test_the_servers_of_the_users_are_found_by_the_hub_of_the_new_release(server: Container) -> None:
    at_work = processes(server).splitlines()[1:]
    server.shell("kill -9 $(head -n 1 /run/jupyterhub/hub.pid)")
    server.shell(f"{HUBCTL} start")
    shown = json.loads(server.shell(f"{HUBCTL} status --json"))
    assert {entry["user"] for entry in shown["servers"]} == set(USERS)
    assert all(entry["ready"] for entry in shown["servers"])
    assert processes(server).splitlines()[1:] == at_work
    for user in USERS:
        log_in(server, user)


def test_conda_has_nothing_to_add_to_what_hubctl_did(server: Container) -> None:
    for name, spec in (("jupyterhubenv", f"hubforge=={BUILT}"), ("base", f"hubforge-base=={BUILT}")):
        plan = json.loads(server.shell(f"{CONDA} install --dry-run --json -n {name} {spec}"))
        assert "actions" not in plan


def test_conda_killed_ten_times_arrives_too(server: Container) -> None:
    before = processes(server), strangers(server)
    server.shell(f"{HUBCTL} rollback --yes")
    assert packages(server)["hubforge"] == OLD
    commands = [f"exec {KILLING} {PREFIX} {OLD} {BUILT} '{point}' sh -c '{BY_CONDA}'" for point in POINTS]
    assert 0 in [server.run("sh", "-euc", command, check=False).returncode for command in commands], "none was killed"
    # A record that was half-written conda does not get over, and the installer does.
    server.shell(f"{BY_CONDA} || bash /dist/hub-installer.sh -b -s -u")
    assert releases(server) == (BUILT, BUILT)
    # what conda had put aside when it was killed it leaves there
    found = [name for name in strangers(server).splitlines() if not name.startswith(".condatmp/")]
    assert (processes(server), found) == (before[0], before[1].splitlines())


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


def test_a_release_with_another_schema_changes_the_database_while_no_hub_runs(server: Container) -> None:
    hub = server.shell("head -n 1 /run/jupyterhub/hub.pid")
    server.shell(f"{HUBCTL} upgrade --yes --restart --to {NEWER}")
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
