"""What is compiled from source, as an environment of the server has it: it can be moved, and one library replaced."""

import datetime
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from forge import channel as channels
from forge import condapkg
from tests.integration.conda_support import Conda, new_user

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"


class Greeting(BaseHTTPRequestHandler):
    """Says hello."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""


@pytest.fixture
def conda(prefix: Path, channel: Path, tmp_path: Path) -> Conda:
    user = new_user(prefix, channel, tmp_path)
    (user.home / ".condarc").write_text(f"channel_alias: file://{user.home / 'channels'}\nchannels: [hubforge]\n")
    user.run("create", "--yes", "--offline", "--name", "e", "python=3.13")
    return user


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of an authority that is a server itself, and its key, in one file."""
    pem = tmp_path / "authority.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-keyout", str(pem), *names]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    pem.write_text(pem.read_text() + made.stdout)
    return pem


@pytest.fixture
def server(authority: Path) -> Iterator[str]:
    """A web server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with HTTPServer(("localhost", 0), Greeting) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"https://localhost:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_moved_environment_trusts_its_own_authorities_and_no_other(
    conda: Conda, server: str, authority: Path
) -> None:
    moved = conda.home / "elsewhere" / "moved"
    moved.parent.mkdir()
    (conda.home / "envs/e").rename(moved)

    def ask() -> subprocess.CompletedProcess[str]:
        command = ["env", "-i", str(moved / "bin/python"), "-c", ASK, server]
        return subprocess.run(command, capture_output=True, text=True)

    assert "CERTIFICATE_VERIFY_FAILED" in ask().stderr
    bundle = moved / "ssl/cert.pem"
    certificate = authority.read_text().partition("-----END PRIVATE KEY-----\n")[2]
    text = bundle.read_text()
    bundle.unlink()  # a hard link of what every other environment has
    bundle.write_text(text + certificate)
    assert ask().stdout == "hello\n"


def test_one_library_is_replaced_and_what_uses_it_goes_on(conda: Conda, channel: Path) -> None:
    (package,) = channel.glob("linux-64/openssl-3.*.conda")
    shipped = condapkg.read(package)
    newer = replace(shipped.index, version="3.99.0", timestamp=None)
    epoch = int(datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC).timestamp())
    packages = [condapkg.write(conda.home / "built", newer, shipped.members(), epoch=epoch)]
    channels.publish(packages, conda.home / "channels" / "newer")

    before = conda.versions("e")
    conda.run("install", "--yes", "--offline", "--name", "e", "-c", "newer", "openssl=3.99")
    assert conda.versions("e") == {**before, "openssl": "3.99.0"}
    check = "import hashlib, ssl; ssl.create_default_context(); print(hashlib.sha256(b'').hexdigest()[:8])"
    assert conda.run("run", "--name", "e", "python", "-c", check).stdout.strip() == "e3b0c442"
