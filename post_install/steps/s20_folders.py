"""The hub's own folders, and in one of them the name of the prefix that they are there for."""

from post_install.files import Folder, check_folder, ensure_folder, write
from post_install.host import PREFIX_FILE, Host, Step
from post_install.messages import message

FOLDERS = (
    Folder("/etc/jupyterhub", 0o755),
    Folder("/etc/jupyterhub/jupyterhub_config.d", 0o755),
    Folder("/etc/jupyterhub/ssl", 0o700),
    Folder("/var/lib/jupyterhub", 0o700),
    Folder("/var/log/jupyterhub", 0o750),
)


def check(host: Host) -> list[str]:
    """What is missing, or has another owner or mode."""
    problems = [problem for folder in FOLDERS for problem in check_folder(host, folder)]
    return problems if _names_prefix(host) else [*problems, message("prefix_unnamed", path=PREFIX_FILE)]


def ensure(host: Host) -> list[str]:
    """Makes and repairs them."""
    changes = [change for folder in FOLDERS for change in ensure_folder(host, folder)]
    if not _names_prefix(host):
        write(host, PREFIX_FILE, _prefix_line(host), 0o644)
        changes.append(message("prefix_named", prefix=host.prefix))
    return changes


def _names_prefix(host: Host) -> bool:
    file = host.at(PREFIX_FILE)
    return file.is_file() and not file.is_symlink() and file.read_bytes() == _prefix_line(host)


def _prefix_line(host: Host) -> bytes:
    return f"{host.prefix}\n".encode()


STEP = Step("folders", check, ensure, carries=True)
