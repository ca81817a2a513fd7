"""Files that are there whole or not at all, also when two write the same one at the same moment."""

import secrets
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Puts ``text``, in UTF-8, in the place of what was there. ``mode`` counts whatever the umask.

    Raises:
        OSError: no space, or no right to; what was there is still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.touch(mode=0o600)
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
