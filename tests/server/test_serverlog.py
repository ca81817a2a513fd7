"""`hubctl logs --user`: what a user's containers have printed, from a real Docker Engine."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import docker
import pytest
from conftest import HubUser, ServerRoot

pytest_plugins = ["docker_support"]

ROOT_USER = HubUser("root", 0, 0)


@pytest.fixture
def root(server_root: ServerRoot) -> ServerRoot:
    server_root.settings.write_text("auth: shared-password\nspawner: docker\n")
    return server_root


@contextlib.contextmanager
def container(engine: docker.APIClient, image: str, user: str, script: str) -> Iterator[str]:
    """One that JupyterHub would have started for a user."""
    made = engine.create_container(image, ["sh", "-c", script], environment={"JUPYTERHUB_USER": user})
    engine.start(made)
    try:
        yield made["Id"]
    finally:
        engine.remove_container(made, force=True)


def logs(root: ServerRoot, *arguments: str) -> subprocess.CompletedProcess[str]:
    return root.hubctl_as(ROOT_USER, "logs", *arguments)


def test_users_see_nothing_of_each_other_but_the_administrator_each(
    root: ServerRoot, engine: docker.APIClient, image: str
) -> None:
    with (
        container(engine, image, "alice", "echo first; echo 'it is alice'") as hers,
        container(engine, image, "bob", "echo 'it is bob'") as his,
    ):
        for made in (hers, his):
            engine.wait(made)
        assert logs(root, "--user", "alice").stdout == "first\nit is alice\n"
        assert logs(root, "--user", "alice", "-n", "1").stdout == "it is alice\n"


def test_two_servers_of_a_user_are_told_apart(root: ServerRoot, engine: docker.APIClient, image: str) -> None:
    with (
        container(engine, image, "alice", "echo one") as one,
        container(engine, image, "alice", "echo two") as two,
    ):
        for made in (one, two):
            engine.wait(made)
        names = [engine.inspect_container(made)["Name"].lstrip("/") for made in (one, two)]
        assert sorted(logs(root, "--user", "alice").stdout.splitlines()) == sorted(
            [f"{names[0]}: one", f"{names[1]}: two"]
        )


def test_what_comes_is_followed(root: ServerRoot, engine: docker.APIClient, image: str) -> None:
    with container(engine, image, "alice", "echo ready; while [ ! -e /go ]; do sleep 0.1; done; echo came") as made:
        command = [sys.executable, "-B", "-m", "hubctl", "--root", str(root.path), "logs", "-f", "--user", "alice"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            engine.exec_start(engine.exec_create(made, ["touch", "/go"]))
            assert process.stdout.readline() == "came\n"
            assert process.wait(timeout=300) == 0


def test_reader_who_has_seen_enough_ends_it_without_a_word(
    root: ServerRoot, engine: docker.APIClient, image: str
) -> None:
    with container(engine, image, "alice", "seq 100000") as made:
        engine.wait(made)
        command = [sys.executable, "-B", "-m", "hubctl", "--root", str(root.path), "logs", "--user", "alice"]
        with subprocess.Popen(
            [*command, "-n", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        ) as process:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline() == "1\n"
            process.stdout.close()
            assert process.stderr.read() == ""


def test_user_without_a_container_is_told(root: ServerRoot, engine: docker.APIClient) -> None:
    done = logs(root, "--user", "mallory")
    assert (done.returncode, done.stderr) == (
        1,
        "hubctl: mallory has no container: `hubctl user list` shows who has servers\n",
    )


def test_servers_without_docker_have_no_log_of_their_own(server_root: ServerRoot) -> None:
    done = server_root.hubctl("logs", "--user", "alice")
    assert done.returncode == 1
    assert "`hubctl logs` shows it" in done.stderr
