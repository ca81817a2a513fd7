"""The hub's own folders."""

from post_install.files import Folder, check_folder, ensure_folder
from post_install.host import Host, Step

FOLDERS = (
    Folder("/etc/jupyterhub", 0o755),
    Folder("/etc/jupyterhub/jupyterhub_config.d", 0o755),
    Folder("/etc/jupyterhub/ssl", 0o700),
    Folder("/var/lib/jupyterhub", 0o700),
    Folder("/var/log/jupyterhub", 0o750),
)


def check(host: Host) -> list[str]:
    """What is missing, or has another owner or mode."""
    return [problem for folder in FOLDERS for problem in check_folder(host, folder)]


def ensure(host: Host) -> list[str]:
    """Makes and repairs them."""
    return [change for folder in FOLDERS for change in ensure_folder(host, folder)]


STEP = Step("folders", check, ensure, carries=True)
