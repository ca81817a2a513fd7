"""From the request for a server to the server, against `docker run` of the same container."""

import json
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from bench.measure import Figure
from forge.progress import say
from tests.login import Session
from tests.realm_server import PASSWORD, RealmServer

ROUNDS = 7
BARE = "hubforge-bench"
"""The container of `docker run`."""

FLAGS: dict[str, Callable[[Any], list[str]]] = {
    "Binds": lambda binds: [f"--volume={bind}" for bind in binds],
    "CapAdd": lambda names: [f"--cap-add={name}" for name in names or []],
    "CapDrop": lambda names: [f"--cap-drop={name}" for name in names or []],
    "CpuPeriod": lambda microseconds: [f"--cpu-period={microseconds}"],
    "CpuQuota": lambda microseconds: [f"--cpu-quota={microseconds}"],
    "GroupAdd": lambda groups: [f"--group-add={group}" for group in groups or []],
    "Memory": lambda count: [f"--memory={count}"],
    "NetworkMode": lambda name: [f"--network={name}"],
    "PidsLimit": lambda count: [f"--pids-limit={count}"],
    "SecurityOpt": lambda options: [f"--security-opt={option}" for option in options],
}
"""How `docker run` is told what `docker inspect` shows in ``HostConfig``."""


def measure(server: RealmServer, user: str) -> list[Figure]:
    """Both ways, one after the other, ROUNDS times."""
    say("spawn, against docker run")
    session = Session(server.address)
    session.log_in(user, PASSWORD)
    through_hub, bare = [], []
    for _ in range(ROUNDS):
        through_hub.append(_spawn(session, user))
        made = inspect(f"jupyter-{user}")
        stop(session, user)
        bare.append(_docker_run(made, user))
    hub, docker = statistics.median(through_hub), statistics.median(bare)
    return [
        Figure("spawn request to a ready server", hub, "s"),
        Figure("docker run of the same to its first answer", docker, "s"),
        Figure("the hub's own share of a spawn", hub - docker, "s", 0.5),
    ]


def _spawn(session: Session, user: str) -> float:
    """Asks the REST API, which answers when the server is there, or after ten seconds: then its events tell."""
    began = time.monotonic()
    if session.api("POST", f"/users/{user}/server") == 202:
        session.wait_for_server(user)
    seconds = time.monotonic() - began
    session.get(f"/user/{user}/api")
    return seconds


def stop(session: Session, user: str) -> None:
    """Stops the user's server and waits until its container is gone."""
    session.api("DELETE", f"/users/{user}/server")
    while subprocess.run(["docker", "inspect", f"jupyter-{user}"], capture_output=True).returncode == 0:
        time.sleep(0.1)


def inspect(name: str) -> dict[str, Any]:
    """What `docker inspect` shows of a container."""
    shown = subprocess.run(["docker", "inspect", name], check=True, capture_output=True, text=True)
    return dict(json.loads(shown.stdout)[0])


def _docker_run(made: dict[str, Any], user: str) -> float:
    """Seconds from `docker run` of what was ``made`` to the first answer of its ``/api``."""
    configuration, host = made["Config"], made["HostConfig"]
    flags = [f"--user={configuration['User']}", f"--workdir={configuration['WorkingDir']}"]
    flags += [flag for key, shown in FLAGS.items() for flag in shown(host[key])]
    with tempfile.NamedTemporaryFile("w") as environment:  # it holds a token, which is no argument
        environment.write("\n".join(configuration["Env"]) + "\n")
        environment.flush()
        command = ["docker", "run", "--detach", f"--name={BARE}", f"--env-file={environment.name}", *flags]
        try:
            began = time.monotonic()
            subprocess.run([*command, made["Image"], *configuration["Cmd"]], check=True, capture_output=True)
            shown = inspect(BARE)
            _wait_for_answer(f"http://{shown['NetworkSettings']['IPAddress']}:8888/user/{user}/api")
            seconds = time.monotonic() - began
        finally:
            subprocess.run(["docker", "rm", "--force", BARE], check=True, capture_output=True)
    different = [key for key in FLAGS if _comparable(shown["HostConfig"][key]) != _comparable(host[key])]
    assert not different, f"docker run was told something else: {different}"
    return seconds


def _comparable(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _wait_for_answer(address: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
