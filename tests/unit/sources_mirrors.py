"""Registries on this machine for the tests of forge.sources: a PyPI index, one that hangs, and pip set up for them."""

import base64
import gzip
import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class _Quiet(SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        wanted = self.server.authorization  # type: ignore[attr-defined]
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return super().send_head()

    def log_message(self, *arguments: Any) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]


@contextmanager
def serving(folder: Path, authorization: str = "") -> Iterator[tuple[str, list[str]]]:
    """``folder`` on a port of this machine: its address, and the paths asked for so far.

    Args:
        authorization: the header that everybody must send.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.authorization = authorization  # type: ignore[attr-defined]
    server.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.requests  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """The address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def use_pip_index(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Makes ``url`` the only index of this machine's pip."""
    for name in ("EXTRA_INDEX_URL", "FIND_LINKS", "CERT", "CONSTRAINT", "PROXY", "NO_INDEX"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


_gzip = partial(gzip.compress, mtime=0)


def make_tar(files: dict[str, str], compress: Callable[[bytes], bytes] = _gzip) -> bytes:
    """A tar archive of ``files``, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return compress(buffer.getvalue())


def make_sdist(name: str, version: str) -> tuple[str, bytes]:
    """An sdist whose ``setup.py`` must not run."""
    top = f"{name}-{version}"
    files = {f"{top}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    files[f"{top}/setup.py"] = "raise SystemExit('setup.py was run')\n"
    return f"{top}.tar.gz", make_tar(files)


def publish(folder: Path, project: str, files: dict[str, bytes], with_hashes: bool = True) -> None:
    """Writes the index page of ``project`` and its files below ``folder`` (PEP 503)."""
    (folder / "simple" / project).mkdir(parents=True, exist_ok=True)
    (folder / "files").mkdir(exist_ok=True)
    links = []
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
        fragment = f"#sha256={sha256(data)}" if with_hashes else ""
        links.append(f'<a href="../../files/{name}{fragment}">{name}</a>')
    (folder / "simple" / project / "index.html").write_text(f"<!DOCTYPE html><body>{''.join(links)}</body>")


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def integrity(data: bytes) -> str:
    """As npm writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
