"""The folder that users share: what one of them makes there, the others of its group can change."""

import os
from pathlib import Path

from hubctl.layout import Layout

_UMASK = '[ "$(id -gn)" != "$(id -un)" ] || umask 0002'
"""For users with a group of their own, as pam_umask(8) has it with `usergroups`; in a group such as `domain users`, all
the others could change the files of a home that is open to read."""


def command(layout: Layout, *server: str) -> list[str]:
    """The command line that starts a user's server.

    The default ACL of the shared folder opens new files for the group (acl(5)), whatever the umask, which the start
    files of a terminal set anew. On a file system without such ACLs, as NFS 4, the umask has to do it.
    """
    if not layout.shared.exists() or _has_default_acl(layout.shared):
        return [*server]
    return ["sh", "-c", f'{_UMASK}; exec "$@"', "sh", *server]


def _has_default_acl(folder: Path) -> bool:
    try:
        return bool(os.getxattr(folder, "system.posix_acl_default"))
    except OSError:
        return False
