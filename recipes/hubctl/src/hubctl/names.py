"""`/etc/passwd` and `/etc/group` of a user's container: with the host's names, and the user's own wherever they come
from (SSSD, LDAP), so that `whoami` and `ls -l` tell names inside, too.
"""

import grp
from pathlib import Path

from hubctl import wholefile
from hubctl.homes import Account
from hubctl.layout import Layout

SHELL = "/bin/bash"


def write(account: Account, layout: Layout) -> dict[str, str]:
    """Writes the two files of ``account``; gives what to mount where, read-only."""
    folder = layout.runtime / "names" / account.name
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    passwd = f"{account.name}:x:{account.uid}:{account.gid}:{account.name}:{account.home}:{SHELL}"
    groups = [_group(gid, account) for gid in (account.gid, *account.groups)]
    files = {"passwd": _first([passwd], Path("/etc/passwd")), "group": _first(groups, Path("/etc/group"))}
    for name, text in files.items():
        wholefile.write(folder / name, text)
    return {str(folder / name): f"/etc/{name}" for name in files}


def _first(lines: list[str], others: Path) -> str:
    """``lines``, then those of the host's file that have other names: of one number, the first name counts."""
    names = {line.split(":")[0] for line in lines}
    rest = others.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([*lines, *(line for line in rest if line.split(":")[0] not in names)]) + "\n"


def _group(gid: int, account: Account) -> str:
    try:
        name, members = grp.getgrgid(gid).gr_name, grp.getgrgid(gid).gr_mem
    except KeyError:
        name, members = account.name, []
    return f"{name}:x:{gid}:{','.join(members)}"
