"""What keeps a hub from starting is told before anything is started, and before a hub that runs is stopped for it."""

import socket

import docker
from conftest import ServerRoot, make_server_root
from hubctl.settings import load
from spawn_support import ROOT, configure, docker_settings, open_folder

from tests.containers import gateway

pytest_plugins = ["docker_support"]


def taken(port: int, setting: str) -> str:
    """What is said of a port that another program has."""
    return (
        f"hubctl: Port {port} is taken by another program: "
        f"`hubctl doctor` says which; end it, or change `{setting}` in hub.yaml\n"
    )


def hub_port(root: ServerRoot) -> int:
    """The port of the hub itself, behind its proxy."""
    return load(root.settings).internal_ports.hub


def test_the_hubs_own_port_is_looked_at_where_containers_reach_it(engine: docker.APIClient) -> None:
    with open_folder() as folder, socket.socket() as other:
        root = make_server_root(folder / "root", ROOT)
        configure(root, docker_settings("bridge"))
        other.bind((gateway(), hub_port(root)))
        other.listen()
        done = root.hubctl("start")
        assert (done.returncode, done.stderr) == (1, taken(hub_port(root), "internal_ports.hub"))
