"""A host that is a folder: a root, a prefix with its environment, and shipped defaults that a test may change."""

import hashlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from post_install.host import Host, Ran, run_command

CONFIG = Path(__file__).resolve().parents[2] / "config"

HUB_YAML = """\
# The hub's settings.
auth: pam         # kerberos | pam | shared-password
spawner: local    # docker | local
port: 8000
"""


class Commands:
    """Runs openssl and groupadd for real; what talks to systemd is only written down, for there is none here.

    RSA keys take seconds to make: all hosts get a copy of the same pair. The TLS tests run the real thing.
    """

    pair: ClassVar[dict[str, bytes]] = {}

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.failing = ""

    def __call__(self, command: Sequence[str]) -> Ran:
        self.seen.append(list(command))
        if command[0] == self.failing:
            return Ran(1, "", "no")
        if command[0] in ("systemctl", "systemd-tmpfiles"):
            return Ran(0, "", "")
        if command[0] == sys.executable:
            return Ran(0, "hub.ex.test\n", "")
        return self._make_pair(command) if command[1] == "req" else run_command(command)

    def _make_pair(self, command: Sequence[str]) -> Ran:
        files = [Path(command[command.index(option) + 1]) for option in ("-keyout", "-out")]
        if self.pair:
            for file in files:
                file.write_bytes(self.pair[file.name])
            return Ran(0, "", "")
        ran = run_command(command)
        self.pair.update({file.name: file.read_bytes() for file in files})
        return ran


def make_host(folder: Path, *, is_root: bool | None = None) -> Host:
    """A host below ``folder`` on which nothing was done yet."""
    config = folder / "config"
    config.mkdir()
    for name in ("pam-jupyterhub.*", "jupyterhub*.s[el]*", "tmpfiles-jupyterhub.conf", "logrotate-jupyterhub"):
        for file in CONFIG.glob(name):
            (config / file.name).write_bytes(file.read_bytes())
    (config / "hub.yaml").write_text(HUB_YAML)
    (config / "jupyterhub_config.py").write_text("configure(c)\n")
    (folder / "root" / "etc" / "pam.d").mkdir(parents=True)
    (folder / "root" / "etc" / "group").write_text("root:x:0:\n")
    (folder / "root" / "etc" / "pam.d" / "common-auth").write_text("auth required pam_unix.so\n")
    for path in ("usr/sbin/logrotate", "etc/logrotate.d/dpkg"):
        (folder / "root" / path).parent.mkdir(parents=True)
        (folder / "root" / path).touch()
    (folder / "prefix" / "envs" / "jupyterhubenv").mkdir(parents=True)
    rooted = os.geteuid() == 0 if is_root is None else is_root
    return Host(folder / "prefix", config, folder / "root", rooted, run=Commands())


def listing(*folders: Path) -> dict[str, tuple[object, ...]]:
    """Everything below: kind and mode, owner, time of the last change, and content."""
    found: dict[str, tuple[object, ...]] = {}
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content)
    return found


def mode(host: Host, path: str) -> int:
    """The permission bits of a path on the host."""
    return stat.S_IMODE(host.at(path).stat().st_mode)
