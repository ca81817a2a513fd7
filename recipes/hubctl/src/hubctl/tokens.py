"""Secrets in files of their own, readable by the hub's user alone."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from hubctl.errors import HubError


def read_or_make(path: Path, length: int = 32) -> str:
    """The secret in ``path``; a new random one, ``length`` bytes in hex, where there is none yet.

    Raises:
        HubError: others can read the file, or it can't be read or written, or it is empty.
    """
    try:
        _make(path, secrets.token_hex(length))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise HubError(f"{path} can be read by others", f"chmod 600 {path}, and change what is in it")
        secret = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise HubError(f"{path} can't be read: {error.strerror}", "run this as the user that the hub runs as") from None
    except UnicodeDecodeError:
        raise HubError(f"{path} holds other characters than ASCII", "remove it, and a new one is made") from None
    if not secret:
        raise HubError(f"{path} is empty", "remove it, and a new one is made")
    return secret


def _make(path: Path, secret: str) -> None:
    """Writes a new file whole: two starters at the same time end with the same secret."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
