"""The hub of `make hub`: without Docker, KDC and accounts."""

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from forge.hub import Scratch


@dataclass(frozen=True)
class ScratchHub:
    """A running hub in a folder of its own."""

    scratch: Scratch
    address: str

    def hubctl(self, *arguments: str) -> int:
        """Runs hubctl for this hub; its exit code."""
        return self.scratch.run(self.scratch.hubctl, "--root", self.scratch.root, *arguments)

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
def scratch_hub(installer: Path, more: str = "") -> Iterator[ScratchHub]:
    """Installs and starts one; ``more`` is what its `hub.yaml` says beside authenticator, spawner and port."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    scratch = Scratch(Path(f"/var/tmp/hubforge-test-{os.getpid()}"), user)
    scratch.folder.mkdir()
    os.chown(scratch.folder, user.pw_uid, -1)
    hub = ScratchHub(scratch, f"https://localhost:{_free_port()}")
    try:
        copy = shutil.copy(installer, scratch.folder)
        assert scratch.run("bash", copy, "-b", "-s", "-p", scratch.prefix, offline=True) == 0
        assert hub.hubctl("setup", "--auth", "shared-password", "--spawner", "local") == 0
        settings = scratch.root / "etc" / "jupyterhub" / "hub.yaml"
        port = hub.address.rpartition(":")[2]
        settings.write_text(f"auth: shared-password\nspawner: local\nport: {port}\n{more}")
        assert hub.hubctl("start") == 0
        try:
            yield hub
        finally:
            assert hub.hubctl("stop") == 0
    finally:
        shutil.rmtree(scratch.folder)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
