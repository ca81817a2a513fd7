"""The folder that users share."""

import os

from post_install.files import Folder, check_folder, ensure_folder
from post_install.host import GROUP, Host, Step

PATH = "/shared/jupyterhub"
NEW = Folder(PATH, 0o2775, GROUP)
# A folder that is there keeps what the administrator allows beyond the old servers' 774; setgid makes new files
# everybody's.
FOUND = Folder(PATH, 0o2774, GROUP, at_least=True)


def _folder(host: Host) -> Folder:
    return FOUND if os.path.lexists(host.at(PATH)) else NEW


def check(host: Host) -> list[str]:
    """Whether members can write to it."""
    return check_folder(host, _folder(host))


def ensure(host: Host) -> list[str]:
    """Makes it, or gives it the group and the rights it lacks; never touches what is in it."""
    return ensure_folder(host, _folder(host))


STEP = Step("shared", check, ensure)
