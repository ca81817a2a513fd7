"""What keeps a hub from starting is told before anything is started, and before a hub that runs is stopped for it."""

import socket
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from conftest import ServerRoot, make_server_root
from hub_support import status
from hubctl.settings import load
from spawn_support import ROOT, configure, docker_settings, open_folder

from tests.containers import gateway
from tests.waiting import is_running

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


def broken_python(root: ServerRoot, _taken: int) -> str:
    folder = root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    (folder / "10-site.py").write_text("import os\nif True\n")
    return f"hubctl: {folder}/10-site.py:2: expected ':': correct that line; the hub does not start\n"


def a_strangers_port(root: ServerRoot, taken_port: int) -> str:
    assert root.hubctl("config", "set", "port", str(taken_port)).returncode == 0
    return taken(taken_port, "port")


def docker_down(root: ServerRoot, _taken: int) -> str:
    assert root.hubctl("config", "set", "spawner", "docker").returncode == 0
    return "hubctl: Docker does not answer ("


@pytest.mark.parametrize("harm", [broken_python, a_strangers_port, docker_down])
def test_a_hub_that_could_not_start_again_is_not_stopped_by_a_restart(
    server_root: ServerRoot, harm: Callable[[ServerRoot, int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert server_root.hubctl("start").returncode == 0
    hub = int(str(status(server_root)["hub_pid"]))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        told = harm(server_root, other.getsockname()[1])
        done = server_root.hubctl("restart")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(told)
        assert is_running(hub)
        assert server_root.hubctl("stop").returncode == 0
        done = server_root.hubctl("start")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(told)
