"""A Docker Engine, an image and a server to spawn, for tests that need the real thing.

No image can be pulled where these tests run, so one is made from the machine's own Debian mirror.
"""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

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


def engine_answers() -> bool:
    """Whether a Docker Engine answers on the default socket."""
    try:
        client = docker.APIClient(version="auto")
    except docker.errors.DockerException:
        return False
    client.close()
    return True


@contextlib.contextmanager
def docker_engine() -> Iterator[None]:
    """Use the Docker Engine that runs, or start one and end it afterwards.

    Raises:
        RuntimeError: it did not answer within 60 seconds; the message ends with its log.
    """
    if engine_answers():
        yield
        return
    with tempfile.TemporaryFile() as log:
        daemon = subprocess.Popen(["dockerd"], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not engine_answers():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError("dockerd did not start: " + log.read().decode("utf-8", "replace")[-2000:])
                time.sleep(0.2)
            yield
        finally:
            daemon.terminate()
            daemon.wait()


def make_image(client: docker.APIClient) -> str:
    """Make the image with Python that the tests run, unless it is there; return its name."""
    try:
        client.inspect_image(IMAGE)
    except docker.errors.ImageNotFound:
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3-minimal", "bookworm", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as root_files:
            subprocess.run(["docker", "import", "-", IMAGE], stdin=root_files.stdout, check=True)
        if root_files.returncode:
            client.remove_image(IMAGE)
            raise RuntimeError(f"mmdebstrap ended with {root_files.returncode}") from None
    return IMAGE


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """A client of a real Docker Engine."""
    with docker_engine():
        client = docker.APIClient(version="auto")
        yield client
        client.close()


@pytest.fixture(scope="session")
def image(engine: docker.APIClient) -> str:
    """The name of an image with Python."""
    return make_image(engine)


@pytest.fixture
def server_script(tmp_path: Path) -> Path:
    """The server's program, to be mounted into a container."""
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    # the container runs as another user
    for folder in (script, *list(script.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    return script
