"""The folder that users share."""

import errno
import os
import stat
import struct

from post_install.files import Folder, check_folder, ensure_folder, opened
from post_install.host import GROUP, Host, Step
from post_install.messages import message

PATH = "/shared/jupyterhub"
NEW = Folder(PATH, 0o2775, GROUP)
# A folder that is there keeps what the administrator allows beyond the old servers' 774; setgid makes new files
# everybody's.
FOUND = Folder(PATH, 0o2774, GROUP, at_least=True)

DEFAULT_ACL = "system.posix_acl_default"
"""What is made in a folder has these rights, whatever the umask, and new folders in it hand them on (acl(5))."""


def check(host: Host) -> list[str]:
    """Whether members can write to it, and to what others put there."""
    problems = check_folder(host, _folder(host))
    if os.path.lexists(host.at(PATH)):
        with opened(host, PATH, os.O_DIRECTORY) as descriptor:
            problems += [message("no_acl", path=PATH)] if _lacks_acl(descriptor) else []
    return problems


def ensure(host: Host) -> list[str]:
    """Makes it, or gives it the group and the rights it lacks; never touches what is in it."""
    changes = ensure_folder(host, _folder(host))
    with opened(host, PATH, os.O_DIRECTORY) as descriptor:
        if _lacks_acl(descriptor):
            os.setxattr(descriptor, DEFAULT_ACL, _acl(stat.S_IMODE(os.fstat(descriptor).st_mode)))
            changes.append(message("made_acl", path=PATH))
    return changes


def _folder(host: Host) -> Folder:
    return FOUND if os.path.lexists(host.at(PATH)) else NEW


def _lacks_acl(descriptor: int) -> bool:
    """Whether there is none where there could be one; any that is there is the administrator's."""
    try:
        os.getxattr(descriptor, DEFAULT_ACL)
    except OSError as error:
        return error.errno == errno.ENODATA
    return False


def _acl(mode: int) -> bytes:
    """All rights for owner and group, the folder's own for others (linux/posix_acl_xattr.h, version 2)."""
    user_obj, group_obj, other, no_id = 0x01, 0x04, 0x20, 0xFFFFFFFF
    entries = ((user_obj, 7), (group_obj, 7), (other, mode & 7))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, no_id) for tag, rights in entries)


STEP = Step("shared", check, ensure)
