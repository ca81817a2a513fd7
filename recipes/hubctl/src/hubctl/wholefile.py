"""Files that are there whole or not at all, also when two write the same one at the same moment."""

import contextlib
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import IO


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Puts ``content``, a text in UTF-8, in the place of what was there. ``mode`` counts whatever the umask.

    Raises:
        OSError: no space, or no right to; what was there is still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())  # renamed before it is written, an empty file could come out of a power cut
        temporary.replace(path)
    except OSError as error:  # write(2) does not say which of the files it was
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def rewrite(path: Path, text: str) -> None:
    """Puts ``text`` in the place of what a file holds; owner, mode, ACL and SELinux context stay, and so does a link.

    Raises:
        OSError: no space, or no right to; what was there is still there.
    """
    path = path.resolve()
    before = path.stat()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            for name in os.listxattr(path):
                with contextlib.suppress(OSError):  # not each may be set by each user
                    os.setxattr(file.fileno(), name, os.getxattr(path, name))
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def copy(source: Path, path: Path, mode: int) -> None:
    """Copies a file, as ``write_new`` does."""
    with source.open("rb") as content:
        write_new(content, path, mode)


def write_new(content: IO[bytes], path: Path, mode: int) -> None:
    """A new file; never one that is there, or that a link leads to."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(content, file)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # write(2) does not say which of the files it was
        raise OSError(error.errno, error.strerror, str(path)) from None
