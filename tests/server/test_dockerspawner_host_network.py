"""Spawns on the host's network, against a real Docker Engine.

The hub is played by the test: it calls the spawner as JupyterHub does, and reads the same answers.
"""

import asyncio
import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from dockerspawner import DockerSpawner
from dockerspawner.hostnetwork import PortPool
from jupyterhub.objects import Hub
from traitlets import TraitError
from traitlets.config import Config

from tests.containers import gateway

pytest_plugins = ["docker_support"]

UID = 23456
PREFIX = "hubforge-test"


class World:
    """Makes spawners as the hub would, and forgets them as a restart of the hub would."""

    def __init__(self, client: docker.APIClient, image: str, script: Path) -> None:
        self.client = client
        self.config = Config()
        self.config.DockerSpawner = Config(
            network_name="host",
            image=image,
            cmd=["python3", "/srv/server.py"],
            prefix=PREFIX,
            remove=True,
            pull_policy="never",
            read_only_volumes={str(script): "/srv/server.py"},
            extra_create_kwargs={"user": f"{UID}:{UID}", "stop_signal": "SIGKILL"},
        )

    def spawner(self, name: str, kind: type[DockerSpawner] = DockerSpawner, **traits: Any) -> DockerSpawner:
        user = SimpleNamespace(name=name, escaped_name=name, url=f"/user/{name}/", settings={}, id=1)
        hub = Hub(ip="127.0.0.1", port=8081, base_url="/hub/")
        return kind(user=user, hub=hub, api_token="secret", config=self.config, **traits)

    def restart(self) -> None:
        """Forget what a hub keeps in memory."""
        PortPool.reserved.clear()
        DockerSpawner._port_pools.clear()

    def inspect(self, spawner: DockerSpawner) -> dict[str, Any]:
        return self.client.inspect_container(spawner.container_name)

    def clean(self) -> None:
        """Remove the containers, and wait for those that are removing themselves."""
        while containers := self.client.containers(all=True, filters={"name": f"^/{PREFIX}-"}):
            for container in containers:
                with contextlib.suppress(docker.errors.APIError):
                    self.client.remove_container(container["Id"], force=True)


@pytest.fixture
def world(engine: docker.APIClient, image: str, server_script: Path) -> Iterator[World]:
    world = World(engine, image, server_script)
    world.restart()
    yield world
    world.clean()
    world.restart()


class RobbedSpawner(DockerSpawner):
    """A spawner whose port is taken by this process after its choice, ``robberies`` times."""

    robberies = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.thieves: list[socket.socket] = []

    async def create_object(self) -> Any:
        container = await super().create_object()
        if len(self.thieves) < self.robberies:
            self.thieves.append(listen("127.0.0.1", self.port))
        return container


def listen(ip: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ip, port))
    listener.listen()
    return listener


def ask(ip: str, port: int) -> str:
    """Whose server answers on ip:port."""
    connection = http.client.HTTPConnection(ip, port, timeout=10)
    connection.request("GET", "/api")
    with contextlib.closing(connection):
        return connection.getresponse().read().decode()


def test_two_users_at_once_get_servers_of_their_own(world: World) -> None:
    async def start() -> list[tuple[str, int]]:
        return await asyncio.gather(world.spawner("alice").start(), world.spawner("bob").start())

    (alice_ip, alice_port), (bob_ip, bob_port) = asyncio.run(start())
    assert alice_ip == bob_ip == "127.0.0.1"
    assert alice_port != bob_port
    assert {alice_port, bob_port} <= set(range(20000, 30000))
    assert ask(alice_ip, alice_port) == "alice"
    assert ask(bob_ip, bob_port) == "bob"


def test_server_answers_on_loopback_only(world: World) -> None:
    _, port = asyncio.run(world.spawner("alice").start())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((gateway(), port), timeout=10)


def test_container_has_the_hosts_network_and_no_port_bindings(world: World) -> None:
    spawner = world.spawner("alice")
    asyncio.run(spawner.start())
    container = world.inspect(spawner)
    assert container["HostConfig"]["NetworkMode"] == "host"
    assert not container["HostConfig"]["PortBindings"]
    assert not container["Config"].get("ExposedPorts")


@pytest.mark.parametrize("removes_itself", [True, False])
def test_stolen_port_is_replaced_by_another(world: World, removes_itself: bool) -> None:
    """Whether Docker removes a container that ended, or keeps it for its log."""
    spawner = world.spawner("alice", RobbedSpawner, extra_host_config={"auto_remove": removes_itself})
    spawner.robberies = 2
    ip, port = asyncio.run(spawner.start())
    stolen = [thief.getsockname()[1] for thief in spawner.thieves]
    assert len(stolen) == 2
    assert port not in stolen
    assert ask(ip, port) == "alice"


def test_gives_up_when_every_port_is_stolen_and_leaves_no_container(world: World) -> None:
    spawner = world.spawner("alice", RobbedSpawner, host_port_tries=2)
    spawner.robberies = 2
    with pytest.raises(RuntimeError, match="taken by another process"):
        asyncio.run(spawner.start())
    with pytest.raises(docker.errors.NotFound):
        world.inspect(spawner)


def test_server_of_the_same_uid_in_another_container_is_not_taken_for_ours(world: World) -> None:
    """The uid alone would be fooled: here both servers have the same."""

    async def run() -> Any:
        alice, bob = world.spawner("alice"), world.spawner("bob")
        await asyncio.gather(alice.start(), bob.start())
        bob.port = alice.port
        return await alice.poll(), await bob.poll()

    alice_status, bob_status = asyncio.run(run())
    assert alice_status is None
    assert "taken by another process" in bob_status


def test_server_that_ends_before_it_listens_is_an_error(world: World) -> None:
    spawner = world.spawner("alice", cmd=["python3", "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="stopped before it listened"):
        asyncio.run(spawner.start())


def test_restarted_hub_finds_the_server_and_its_port(world: World) -> None:
    spawner = world.spawner("alice")
    url = asyncio.run(spawner.start())
    state = spawner.get_state()
    world.restart()

    again = world.spawner("alice")
    again.load_state(state)
    assert asyncio.run(again.poll()) is None
    assert asyncio.run(again.get_ip_and_port()) == url
    # and nobody else is given that port
    assert PortPool.reserved == {url[1]: "alice"}


def test_running_server_is_polled_as_running_and_stops_for_good(world: World) -> None:
    async def run() -> tuple[Any, Any]:
        spawner = world.spawner("alice")
        await spawner.start()
        before = await spawner.poll()
        await spawner.stop()
        return before, await spawner.poll()

    before, after = asyncio.run(run())
    assert before is None
    assert after is not None
    assert PortPool.reserved == {}


def test_dead_server_is_noticed_even_if_another_program_has_its_port(world: World) -> None:
    async def run() -> Any:
        spawner = world.spawner("alice")
        _, port = await spawner.start()
        world.client.kill(spawner.container_id)
        while await spawner._find_listener(await spawner.get_object()) is not None:
            await asyncio.sleep(0.05)
        with listen("127.0.0.1", port):
            return await spawner.poll()

    assert asyncio.run(run()) is not None


def test_foreign_listener_on_a_running_servers_port_ends_its_route(world: World) -> None:
    """The container still runs, but its server is gone: what answers is somebody else's."""
    script = (
        "import os, socket, time\n"
        "host, port = os.environ['JUPYTERHUB_SERVICE_URL'].split('/')[2].split(':')\n"
        "s = socket.create_server((host, int(port)))\n"
        "while not os.path.exists('/tmp/enough'):\n"
        "    time.sleep(0.1)\n"
        "s.close()\n"
        "time.sleep(600)\n"
    )

    async def run() -> Any:
        spawner = world.spawner("alice", cmd=["python3", "-c", script])
        _, port = await spawner.start()
        world.client.exec_start(world.client.exec_create(spawner.container_id, ["touch", "/tmp/enough"]))
        while await spawner._find_listener(await spawner.get_object()) is not None:
            await asyncio.sleep(0.05)
        assert await spawner.poll() is None
        with listen("127.0.0.1", port):
            return await spawner.poll()

    assert "taken by another process" in asyncio.run(run())


def test_port_of_an_ended_server_is_not_given_out_at_once(world: World) -> None:
    async def run() -> tuple[int, int]:
        alice = world.spawner("alice", host_port_range=(21000, 21009))
        _, first = await alice.start()
        await alice.stop()
        _, second = await world.spawner("bob", host_port_range=(21000, 21009)).start()
        return first, second

    first, second = asyncio.run(run())
    assert first != second


def test_kept_container_starts_again_on_its_port(world: World) -> None:
    async def run() -> tuple[Any, Any]:
        spawner = world.spawner("alice", remove=False)
        first = await spawner.start()
        await spawner.stop()
        again = world.spawner("alice", remove=False)
        return first, await again.start()

    first, second = asyncio.run(run())
    assert first == second
    assert ask(*second) == "alice"


def test_bridge_network_binds_a_port_as_before(world: World) -> None:
    spawner = world.spawner("alice", network_name="bridge")
    ip, port = asyncio.run(spawner.start())
    container = world.inspect(spawner)
    assert spawner.port == 8888
    assert spawner.ip == "0.0.0.0"
    assert container["HostConfig"]["PortBindings"]["8888/tcp"][0]["HostIp"] == "127.0.0.1"
    assert "port" not in spawner.get_state()
    assert PortPool.reserved == {}
    assert ip == "127.0.0.1"
    assert port != 8888


def test_range_in_the_wrong_order_is_refused(world: World) -> None:
    with pytest.raises(TraitError, match="first, last"):
        world.spawner("alice", host_port_range=(29999, 20000))
