"""Backups of hubs, and files of the administrator's that they should hold."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from conftest import ServerRoot

STATE = "var/lib/jupyterhub"
PYTHON = "etc/jupyterhub/jupyterhub_config.d/10-site.py"


def backup(root: ServerRoot, name: str = "hub.tar.gz") -> Path:
    file = root.path / name
    done = root.hubctl("backup", str(file))
    assert done.returncode == 0, done.stderr
    return file


def put(root: ServerRoot, path: str, text: str, mode: int = 0o644) -> None:
    """A file of the administrator's."""
    file = root.path / path
    for folder in reversed(file.parents):
        if not folder.exists():
            folder.mkdir()
            os.chown(folder, root.user.uid, root.user.gid)
    file.write_text(text)
    file.chmod(mode)
    os.chown(file, root.user.uid, root.user.gid)


def content(root: ServerRoot) -> dict[str, tuple[bytes, int]]:
    """Every file of a hub that does not run, with its mode, but for logs and the locks that stay empty."""
    files = [path for path in root.path.rglob("*") if path.is_file() and "log" not in path.parts]
    return {
        str(path.relative_to(root.path)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in files
        if path.suffix != ".lock"
    }


def rewritten(file: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> None:
    """The same archive with other members, as somebody would make it who wants to write elsewhere."""
    fresh = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=fresh, mode="w:gz") as new:
        for entry in old:
            stream = old.extractfile(entry)
            changed = change(entry, stream.read() if stream else b"")
            if changed:
                entry, data = changed
                entry.size = len(data)
                new.addfile(entry, io.BytesIO(data))
    file.write_bytes(fresh.getvalue())
