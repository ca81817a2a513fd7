"""A hub of the built product with users' servers in containers, without KDC and accounts."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_ports

SETTINGS = """\
auth: shared-password
spawner: docker
bind: 127.0.0.1
port: {port}
internal_ports: {{hub: {hub}, proxy_api: {proxy}}}
"""


@dataclass(frozen=True)
class DockerHub:
    """A running hub, in a folder of its own."""

    root: Path
    address: str

    def home(self, user: str) -> Path:
        """What the user's server sees as its home."""
        return self.root / "var/lib/jupyterhub/homes" / user

    @property
    def password(self) -> str:
        """The one that everybody shares."""
        return (self.root / "var/lib/jupyterhub/shared_password").read_text().strip()


@contextmanager
def docker_hub(prefix: Path, settings: str, prepare: Callable[[Path], object]) -> Iterator[DockerHub]:
    """Sets one up, and starts it.

    Args:
        prefix: where the product is installed.
        settings: what `hub.yaml` says beside authenticator, spawner and ports.
        prepare: does the rest in the hub's folder, before the start.
    """
    port, internal, proxy = free_ports(3)
    # not below pytest's own folder, which nobody else can enter
    root = Path(f"/var/tmp/hubforge-test-{port}")
    root.mkdir(mode=0o755)

    def hubctl(*arguments: str) -> None:
        program = prefix / "envs" / "jupyterhubenv" / "bin" / "hubctl"
        subprocess.run([str(program), "--root", str(root), *arguments], check=True, stdin=subprocess.DEVNULL)

    try:
        hubctl("setup", "--auth", "shared-password", "--spawner", "docker")
        text = SETTINGS.format(port=port, hub=internal, proxy=proxy) + settings
        (root / "etc/jupyterhub/hub.yaml").write_text(text)
        prepare(root)
        hubctl("start")
        try:
            yield DockerHub(root, f"https://localhost:{port}")
        finally:
            hubctl("stop")
    finally:
        shutil.rmtree(root)
