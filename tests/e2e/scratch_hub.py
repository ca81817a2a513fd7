"""The hub of `make hub`: without Docker, KDC and accounts."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

import forge.hub
from forge.hub import Scratch
from tests.ports import free_port, free_ports


@dataclass(frozen=True)
class ScratchHub:
    """A running hub in a folder of its own."""

    scratch: Scratch
    address: str

    def hubctl(self, *arguments: str) -> int:
        """Runs hubctl for this hub; its exit code."""
        return self.scratch.run(self.scratch.hubctl, "--root", self.scratch.root, *arguments)

    @property
    def process(self) -> int:
        """The hub's process."""
        return int((self.scratch.root / "run" / "jupyterhub" / "hub.pid").read_text().split()[0])

    def password(self, name: str = "shared_password") -> str:
        """One of the passwords that everybody shares."""
        return (self.scratch.root / "var" / "lib" / "jupyterhub" / name).read_text().strip()

    def log_in(self, page: Page, user: str, password: str) -> None:
        """Sends the login form."""
        page.goto(f"{self.address}/hub/login?next=/hub/home")
        page.fill("#username_input", user)
        page.fill("#password_input", password)
        page.click("#login_submit")


@contextmanager
def scratch_folder() -> Iterator[Scratch]:
    """A folder of its own for one, gone at the end."""
    made = Scratch(Path(f"/var/tmp/hubforge-test-{os.getpid()}"), forge.hub.owner())
    made.folder.mkdir()
    os.chown(made.folder, made.user.pw_uid, -1)
    try:
        yield made
    finally:
        shutil.rmtree(made.folder)


@contextmanager
def scratch_hub(more: str = "") -> Iterator[ScratchHub]:
    """Installs and starts one; ``more`` is what its `hub.yaml` says beside authenticator, spawner and ports."""
    with scratch_folder() as scratch:
        port = free_port()
        forge.hub.start(scratch, ports(port) + more)
        try:
            yield ScratchHub(scratch, f"https://localhost:{port}")
        finally:
            forge.hub.stop(scratch)
            print((scratch.root / "var" / "log" / "jupyterhub" / "jupyterhub.log").read_text())


def ports(port: int) -> str:
    """Lines of `hub.yaml`, so that a hub of `make hub` that runs here is in nobody's way."""
    hub, proxy = free_ports(2)
    return f"port: {port}\ninternal_ports: {{hub: {hub}, proxy_api: {proxy}}}\n"
