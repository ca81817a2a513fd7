"""Servers of the host's accounts, in containers and as processes: whom they run as, their homes, what they share."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from account_support import UIDS, AccountRoot, make_account_root, owner_and_mode, rights
from docker_support import IMAGE
from hubctl import images
from hubctl.layout import Layout
from spawn_support import Browser, Hub, docker_settings, open_folder, running_hub

pytest_plugins = ["docker_support"]

ACCOUNTS = "auth: pam\n"
LOCAL = ACCOUNTS + "spawner: local\n"
DOCKER = docker_settings("bridge").replace("auth: shared-password\n", ACCOUNTS)


@dataclass
class Site:
    """A running hub, and a browser of each account whose server has been started."""

    hub: Hub
    root: AccountRoot
    browsers: dict[str, Browser]

    def browser(self, name: str) -> Browser:
        """Starts the server at the first call."""
        if name not in self.browsers:
            browser = self.browsers[name] = self.hub.browser(name)
            browser.spawn()
            browser.wait(f"/user/{name}/api", lambda page: page.text == name)
        return self.browsers[name]

    def shell(self, name: str, command: str) -> str:
        return self.browser(name).shell(name, command)

    @property
    def in_docker(self) -> bool:
        return "spawner: docker" in self.root.settings.read_text()

    @property
    def shared(self) -> str:
        """The shared folder as the servers see it."""
        return "/shared/jupyterhub" if self.in_docker else str(self.root.shared)


@contextlib.contextmanager
def site(engine: docker.APIClient, settings: str, python: str = "") -> Iterator[Site]:
    with open_folder() as folder, running_hub(folder / "root", engine, settings, python, make_account_root) as hub:
        assert isinstance(hub.root, AccountRoot)
        yield Site(hub, hub.root, {})


TICKET = """\
from jupyterhub.auth import DummyAuthenticator
class Tickets(DummyAuthenticator):
    async def pre_spawn_start(self, user, spawner):
        spawner.environment = {**spawner.environment, "KRB5CCNAME": f"FILE:/run/tickets/{user.name}/krb5cc"}
c.JupyterHub.authenticator_class = Tickets
"""
"""Plays the Kerberos authenticator, which has a KDC in tests of its own: tells servers where their ticket is."""


@pytest.fixture(scope="module", params=["docker", "local"])
def running(request: pytest.FixtureRequest, engine: docker.APIClient, image: str) -> Iterator[Site]:
    with site(engine, DOCKER if request.param == "docker" else LOCAL, TICKET) as made:
        yield made


def test_a_server_runs_as_its_user_with_the_groups_of_the_host(running: Site) -> None:
    said = running.shell("alice", "id; whoami; echo $HOME; pwd; echo $USER; echo $KRB5CCNAME")
    home = str(running.root.home("alice"))
    assert said.splitlines() == [
        "uid=61001(alice) gid=61001(alice) groups=61001(alice),61100(jupyterhub),61101(analysts)",
        *("alice", home, home, "alice", "FILE:/run/tickets/alice/krb5cc"),
    ]


def test_missing_homes_are_made_for_their_owners_alone(running: Site) -> None:
    running.browser("bob")
    home = running.root.home("bob")
    assert owner_and_mode(home.parent) == (0, 0, "0o755")
    assert owner_and_mode(home) == (UIDS["bob"], UIDS["bob"], "0o700")
    work = home / "work" if running.in_docker else home
    assert owner_and_mode(work) == (UIDS["bob"], UIDS["bob"], "0o700")
    running.shell("bob", "touch notes")
    assert owner_and_mode(work / "notes") == (UIDS["bob"], UIDS["bob"], "0o644")


def test_members_change_rename_and_delete_what_others_of_them_share(running: Site) -> None:
    shared = running.shared
    assert (
        running.shell("alice", f"cd {shared}; umask 022; mkdir report; echo one > report/data; echo one > plan") == ""
    )
    assert running.shell("bob", f"cd {shared}; echo two >> plan; echo two >> report/data; cat plan report/data") == (
        "one\ntwo\none\ntwo\n"
    )
    assert running.shell("bob", f"cd {shared}; mv plan report/plan; rm report/data; touch report/new; ls report") == (
        "new\nplan\n"
    )
    assert running.shell("alice", f"cd {shared}; echo three >> report/new; rm -r report; ls") == ""


def test_who_is_not_in_the_group_reads_what_is_shared_and_changes_nothing(running: Site) -> None:
    shared = running.shared
    running.shell("alice", f"cd {shared}; mkdir -p closed; echo one > closed/data")
    said = running.shell(
        "eve", f"cd {shared}/closed; cat data; echo two >> data; rm -f data; mv data ../data; touch new"
    )
    assert said.splitlines()[0] == "one"
    assert said.count("Permission denied") == 4
    assert running.shell("alice", f"ls {shared} {shared}/closed; cat {shared}/closed/data").endswith("data\none\n")


def test_a_container_has_no_rights_beyond_its_users(engine: docker.APIClient, image: str) -> None:
    images = f"    - {{name: Root, image: '{IMAGE}', root: true}}\n"
    with site(engine, DOCKER + images) as running:
        running.browser("alice")
        alice = rights(running.hub.container("alice")["State"]["Pid"])
        assert alice["Uid"] == ["61001"] * 4
        assert alice["Groups"] == ["61001", "61100", "61101"]
        assert {alice[name][0] for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}
        assert alice["NoNewPrivs"] == ["1"]
        bob = running.hub.browser("bob")
        bob.spawn(image="Root")
        bob.wait("/user/bob/api", lambda page: page.text == "bob")
        root = rights(running.hub.container("bob")["State"]["Pid"])
        assert (root["Uid"], root["NoNewPrivs"]) == (["0"] * 4, ["1"])
        sys_admin = 1 << 21  # linux/capability.h
        assert int(root["CapBnd"][0], 16) & sys_admin == 0


def test_the_sites_folders_are_read_only_and_what_is_missing_is_logged_once(
    engine: docker.APIClient, image: str
) -> None:
    folders = ["{host: /opt/parcels}", "{host: /opt/gone}", "{host: /opt/data, container: /data, writable: true}"]
    mounts = f"mounts: [{', '.join(folders)}]\n"
    with site(engine, DOCKER + mounts) as running:
        for name in ("parcels", "data"):
            (running.root.path / "opt" / name).mkdir(parents=True)
        (running.root.path / "opt/parcels/lib").write_text("a library")
        (running.root.path / "opt/data").chmod(0o777)
        said = running.shell(
            "alice", "cat /opt/parcels/lib; touch /opt/parcels/new; touch /data/new; ls /data /opt/gone"
        )
        assert "a library" in said
        assert "cannot touch '/opt/parcels/new'" in said
        assert "/data:\nnew" in said
        assert "cannot access '/opt/gone'" in said
        running.browser("bob")
        assert running.hub.log.count("/opt/gone is not on this host") == 1


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_that_a_user_puts_in_place_of_the_home_leads_root_nowhere(
    engine: docker.APIClient, image: str, exists: bool
) -> None:
    """Right after the hub has looked: Docker, as root, would follow it."""
    python = (
        "import os\n"
        "before = c.DockerSpawner.pre_spawn_hook\n"
        "async def swap(spawner):\n"
        "    await before(spawner)\n"
        "    work = f'{SECRET.parent}/home/{spawner.user.name}/work'\n"
        "    os.rename(work, work + '-away')\n"
        "    os.symlink(SECRET, work)\n"
        "c.DockerSpawner.pre_spawn_hook = swap\n"
    )
    with open_folder() as folder:
        secret = folder / "root" / "secret"
        python = f"from pathlib import Path\nSECRET = Path({str(secret)!r})\n" + python
        with running_hub(folder / "root", engine, DOCKER, python, make_account_root) as hub:
            if exists:
                secret.mkdir(mode=0o700)
            eve = hub.browser("eve")
            eve.spawn()
            page = eve.wait("/hub/spawn-pending/eve", lambda page: page.status != 200 or "failed" in page.words)
            assert hub.containers() == {}
            assert secret.exists() == exists
            if exists:
                assert "was replaced while your server started" in page.words
                assert list(secret.iterdir()) == []


def test_a_group_can_have_limits_of_its_own(engine: docker.APIClient, image: str) -> None:
    limits = (
        "limits: {memory: 700m, cpu: 1, pids: 100}\n"
        "group_limits:\n"
        "  - {group: nobody-is-in-it, memory: 100m}\n"
        "  - {group: analysts, memory: 1200m, cpu: 1.5}\n"
        "  - {group: jupyterhub, pids: 64}\n"
    )
    settings = DOCKER.replace(", memory: 640m", "") + f"    - {{name: Tiny, image: '{IMAGE}', memory: 640m}}\n" + limits
    with site(engine, settings) as running:
        cards = {name: running.hub.browser(name).get("/hub/spawn").words for name in ("alice", "bob", "eve")}
        assert "1.2 GB memory, 1.5 processors" in cards["alice"]
        assert "700 MB memory, 1 processor" in cards["bob"]
        assert all("640 MB memory" in card for card in cards.values()), "the smaller one of group and image counts"
        for name, (memory, cpu, pids) in {
            "alice": (1200, 1.5, 100),
            "bob": (700, 1, 64),
            "eve": (700, 1, 100),
        }.items():
            running.browser(name)
            config = running.hub.container(name)["HostConfig"]
            assert (config["Memory"], config["CpuQuota"], config["PidsLimit"]) == (
                *(memory * 1024**2, cpu * config["CpuPeriod"]),
                pids,
            )
            assert limit_in_force(running.hub.container(name)["State"]["Pid"]) == memory * 1024**2


def test_spark_sizes_are_those_that_the_users_own_limit_has_room_for(engine: docker.APIClient, image: str) -> None:
    limits = (
        "limits: {memory: 700m}\n"
        "group_limits: [{group: analysts, memory: 1200m}]\n"
        "pyspark: {driver_memory: [512m, 900m]}\n"
    )
    with site(engine, DOCKER.replace(", memory: 640m", "") + limits) as running:
        spark = images.Facts(jupyterhub="6.1", pyspark="3.5", java="17")
        images.remember(Layout(running.root.path), engine.inspect_image(IMAGE)["Id"], spark)
        alice, bob = running.hub.browser("alice"), running.hub.browser("bob")
        assert alice.get("/hub/spawn").form().choices("driver_memory") == ["512m", "900m"]
        assert bob.get("/hub/spawn").form().choices("driver_memory") == ["512m"]
        refused = bob.spawn(driver_memory="900m")
        assert "900m of driver memory is too much for Small. Choose one of: 512m." in refused.words
        assert running.hub.containers() == {}
        alice.spawn(driver_memory="900m")
        alice.wait("/user/alice/api", lambda page: page.text == "alice")
        kernels = "ls /usr/local/share/jupyter/kernels"
        assert alice.shell("alice", kernels).split() == ["pyspark-512m", "pyspark-900m"]
        assert running.shell("bob", kernels).split() == ["pyspark-512m"]


def limit_in_force(pid: int) -> int:
    """The memory that the kernel lets a process have, in bytes (cgroups(7))."""
    rows = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" in rows:
        return int(Path(f"/sys/fs/cgroup/memory{rows['memory']}/memory.limit_in_bytes").read_text())
    return int(Path(f"/sys/fs/cgroup{rows['']}/memory.max").read_text())


@pytest.mark.parametrize("settings", [DOCKER, LOCAL], ids=["docker", "local"])
def test_without_acls_who_has_a_group_of_their_own_gets_the_umask_for_it(
    engine: docker.APIClient, image: str, without_acls: Path, settings: str
) -> None:
    with running_hub(without_acls, engine, settings, "", make_account_root) as hub:
        assert isinstance(hub.root, AccountRoot)
        running = Site(hub, hub.root, {})
        assert running.shell("alice", f"umask; echo one > {running.shared}/plan") == "0002\n"
        assert running.shell("bob", f"echo two >> {running.shared}/plan; cat {running.shared}/plan") == "one\ntwo\n"
        # all the others of that group could change dora's files
        assert running.shell("dora", "umask; id -gn") == "0022\neverybody\n"


@pytest.fixture
def without_acls() -> Iterator[Path]:
    """A root whose shared folder's file system has no default ACLs, as NFS 4: ramfs stands for it."""
    with open_folder() as folder:
        shared = folder / "root/shared/jupyterhub"
        shared.mkdir(parents=True)
        subprocess.run(["mount", "-t", "ramfs", "ramfs", shared], check=True)
        try:
            yield folder / "root"
        finally:
            subprocess.run(["umount", shared], check=True)
