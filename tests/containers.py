"""Bare servers: Debian root file systems from the machine's own mirror, as containers without network."""

import fcntl
import hashlib
import ipaddress
import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forge.files import replacing
from forge.paths import cache_dir
from forge.sources.aptsources import as_deb822, derive, read_machine


@dataclass(frozen=True)
class Container:
    """A running container."""

    id: str

    def run(self, *command: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs ``command`` in it as root, with ``text`` as its standard input; output and errors are captured."""
        arguments = ["docker", "exec", *(["-i"] if text is not None else []), self.id, *command]
        result = subprocess.run(arguments, input=text, capture_output=True, text=True)
        if check and result.returncode:
            raise AssertionError(f"{command} gave {result.returncode}:\n{result.stdout}\n{result.stderr}")
        return result

    def shell(self, script: str, check: bool = True) -> str:
        """What ``script`` prints, run by its sh."""
        return self.run("sh", "-euc", script, check=check).stdout

    def reboot(self) -> None:
        """Ends its first process as that wants to be ended, and starts it again; what lies in a tmpfs is gone."""
        subprocess.run(["docker", "restart", "--time=60", self.id], check=True, capture_output=True)


def base_image(suite: str, packages: Sequence[str] = ()) -> str:
    """The Docker image of a minimal Debian ``suite`` and ``packages``; made once, then kept in the cache."""
    name = hashlib.sha256(" ".join([suite, *sorted(packages)]).encode()).hexdigest()[:16]
    tag = f"hubforge-test:{suite}-{name}"
    archive = cache_dir("rootfs") / f"{suite}-{name}.tar"
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another suite may want it at the same time
        if subprocess.run(["docker", "image", "inspect", tag], capture_output=True).returncode == 0:
            return tag
        if not archive.exists():
            with replacing(archive) as temporary:
                _bootstrap(suite, packages, temporary)
        subprocess.run(["docker", "import", str(archive), tag], check=True, stdout=subprocess.DEVNULL)
    return tag


def _bootstrap(suite: str, packages: Sequence[str], target: Path) -> None:
    """A root file system out of the Debian mirror that this machine's own apt sources name."""
    apt = Path("/etc/apt")
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    entries = derive(read_machine(apt / "sources.list", apt / "sources.list.d"), codename, suite)
    with tempfile.NamedTemporaryFile("w", suffix=".sources") as sources:
        sources.write(as_deb822(entries, "deb"))
        sources.flush()
        include = [f"--include={','.join(packages)}"] if packages else []
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", *include, suite, str(target)]
        subprocess.run([*command, sources.name], check=True)


@contextmanager
def running(
    image: str, *options: str, mounts: dict[Path, str] | None = None, program: str = "sleep infinity"
) -> Iterator[Container]:
    """A container of ``image`` that does nothing but wait, without network; removed when the block ends.

    Args:
        options: further ones of ``docker run``.
        mounts: folders of this machine, read-only there.
        program: its first process, where another one is to be it.
    """
    volumes = [f"--volume={source}:{target}:ro" for source, target in (mounts or {}).items()]
    command = ["docker", "run", "--detach", "--network=none", "--hostname=bare", *volumes, *options]
    started = subprocess.run([*command, image, *program.split()], check=True, capture_output=True, text=True)
    container = Container(started.stdout.strip())
    try:
        yield container
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container.id], check=True, capture_output=True)


def gateway() -> str:
    """This machine's address on Docker's default network; Docker does not always name it."""
    shown = subprocess.run(["docker", "network", "inspect", "bridge"], check=True, capture_output=True, text=True)
    pool = json.loads(shown.stdout)[0]["IPAM"]["Config"][0]
    return str(pool.get("Gateway") or next(ipaddress.ip_network(pool["Subnet"]).hosts()))
