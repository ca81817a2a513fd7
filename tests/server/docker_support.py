"""A Docker Engine, an image and a server to spawn, for tests that need the real thing.

No image can be pulled where these tests run, so one is made from the machine's own Debian mirror (`tests.containers`).
"""

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.containers import base_image

IMAGE = "hubforge-test-server:bookworm"

# Plays jupyterhub-singleuser: listens where the hub says, tells whose server it is.
# Only `socket` and `os`: python3-minimal has no more.
SERVER = """\
import os, socket
host, port = os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2].split(":")
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((host, int(port)))
listener.listen()
body = os.environ["JUPYTERHUB_USER"].encode()
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    connection.close()
"""


def connect(**options: Any) -> docker.APIClient:
    """A client of the engine that this process and its children use.

    Raises:
        docker.errors.DockerException: it does not answer.
    """
    return docker.APIClient(**{"version": "auto", **docker.utils.kwargs_from_env(), **options})


@dataclass
class OwnEngine:
    """An engine of a test's own, which can end it. Nothing in it is another engine's: socket, data, pid file, state.

    Its containers use the host's network, and it leaves the firewall to the other engines. Its bridge is its own and
    not `none`, for which dockerd removes the others' docker0.
    """

    state: Path
    data: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The value of ``DOCKER_HOST``."""
        return f"unix://{self.state}/socket"

    @property
    def bridge(self) -> str:
        """The interface; a name has 15 letters at most (IFNAMSIZ)."""
        return f"hf-{self.state.name[-8:]}".replace("_", "-")

    @contextlib.contextmanager
    def with_bridge(self) -> Iterator[None]:
        """The interface is there for the block, with an address for tests of networks (RFC 2544)."""
        for command in (f"add {self.bridge} type bridge", f"set {self.bridge} up"):
            subprocess.run(["ip", "link", *command.split()], check=True)
        subprocess.run(["ip", "address", "add", "198.18.77.1/30", "dev", self.bridge], check=True)
        try:
            yield
        finally:
            subprocess.run(["ip", "link", "delete", self.bridge], check=True)

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: it did not within 300 seconds; the message ends with its log.
        """
        files = [f"--host={self.address}", f"--pidfile={self.state}/pid", f"--exec-root={self.state}/exec"]
        command = ["dockerd", *files, f"--data-root={self.data}", f"--bridge={self.bridge}", "--iptables=false"]
        with (self.state / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while True:
            with contextlib.suppress(docker.errors.DockerException):
                connect(base_url=self.address).close()
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dockerd did not start: " + (self.state / "log").read_text()[-2000:])
            time.sleep(0.2)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it. With SIGTERM it ends its containers, with SIGKILL they go on.

        Its containerd ends with it in any case, but a moment later: the next engine would take it for its own.
        """
        if self.process:
            pid_file = self.state / "exec/containerd/containerd.pid"
            containerd = pid_file.read_text()
            self.process.send_signal(how)
            self.process.wait()
            self.process = None
            while _runs(containerd):
                time.sleep(0.05)
            pid_file.unlink(missing_ok=True)  # init may be late to forget the process


def _runs(pid: str) -> bool:
    """Whether there is such a process, and it has not ended (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _unmount_below(*folders: Path) -> None:
    """What a killed engine has left mounted, the innermost first: it binds its data root to itself."""
    mounted = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed(mounted):
        if any(place.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", place], check=True)


@contextlib.contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """A running engine beside the one that other tests use; its containers and data are gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="hubforge-", dir="/run") as state,
        tempfile.TemporaryDirectory(prefix="hubforge-docker-", dir="/var/tmp") as data,
    ):
        engine = OwnEngine(Path(state), Path(data))
        with engine.with_bridge():
            engine.start()
            try:
                yield engine
            finally:
                if engine.process is None:
                    engine.start()  # only an engine ends what a killed one has left running
                with contextlib.closing(connect(base_url=engine.address)) as client:
                    for container in client.containers(all=True):
                        client.remove_container(container["Id"], force=True)
                engine.end()
                _unmount_below(engine.data, engine.state)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """A client of a real Docker Engine: the one that runs, as it does in `make test`."""
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.APIClient) -> str:
    """The name of an image with Python."""
    engine.tag(base_image("bookworm", ["python3-minimal"]), *IMAGE.split(":"))
    return IMAGE


@pytest.fixture
def server_script(tmp_path: Path) -> Path:
    """The server's program, to be mounted into a container."""
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    # the container runs as another user
    for folder in (script, *list(script.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    return script
