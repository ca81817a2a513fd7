"""Accounts that a test's hub alone knows: the root's `/etc/passwd` and `/etc/group` lie over this machine's for it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import HubUser, ServerRoot, make_server_root

sys.path.append(str(Path(__file__).parents[2]))
from post_install.host import Host
from post_install.steps import s30_shared

UIDS = {"alice": 61001, "bob": 61002, "eve": 61003, "dora": 61004}
"""Each is in a group of their own, but for dora, whose group is that of everybody."""

EVERYBODY = 61200
GROUPS = {"jupyterhub": (61100, ["alice", "bob", "dora"]), "analysts": (61101, ["alice"]), "everybody": (EVERYBODY, [])}


@dataclass(frozen=True)
class AccountRoot(ServerRoot):
    """A root with accounts, whose homes are missing."""

    @property
    def surroundings(self) -> list[str]:
        binds = [f"mount --bind {self.path}/etc/{name} /etc/{name}" for name in ("passwd", "group")]
        return ["unshare", "--mount", "sh", "-euc", "\n".join([*binds, 'exec "$@"']), "sh"]

    def home(self, name: str) -> Path:
        return self.path / "home" / name

    @property
    def shared(self) -> Path:
        return self.path / "shared/jupyterhub"


def make_account_root(path: Path, user: HubUser) -> AccountRoot:
    """Lays out what `hubctl setup` would, with accounts."""
    root = make_server_root(path, user)
    passwd = [
        f"{name}:x:{uid}:{EVERYBODY if name == 'dora' else uid}::{path}/home/{name}:/bin/bash"
        for name, uid in UIDS.items()
    ]
    group = [f"{name}:x:{uid}:" for name, uid in UIDS.items()]
    group += [f"{name}:x:{gid}:{','.join(members)}" for name, (gid, members) in GROUPS.items()]
    for file, added in (("passwd", passwd), ("group", group)):
        ours = {line.split(":")[0] for line in added}
        others = [line for line in Path("/etc", file).read_text().splitlines() if line.split(":")[0] not in ours]
        (path / "etc" / file).write_text("\n".join([*others, *added, ""]))
    s30_shared.ensure(Host(prefix=path, config=path, root=path))
    return AccountRoot(**vars(root))


def rights(pid: int) -> dict[str, list[str]]:
    """Whom a process runs as and what it may do, as proc(5) has it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.split(":")[1].split() for line in lines}


def owner_and_mode(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, oct(found.st_mode & 0o7777)
