"""The package cache, ``PREFIX/pkgs``: conda links what it finds unpacked there, and looks at names alone."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ARCHIVES = (".conda", ".tar.bz2")


def broken(cache: Path, packages: Iterable[str]) -> list[str]:
    """Those of the packages (``name-version-build``) that are unpacked there, but not whole.

    A power cut keeps names, and not always what the files hold.
    """
    return [package for package in packages if (cache / package).is_dir() and not _is_whole(cache / package)]


def remove(cache: Path, package: str) -> None:
    """Has conda fetch and unpack a package anew. Its archive goes as well, which may be no better."""
    shutil.rmtree(cache / package)
    for ending in ARCHIVES:
        (cache / f"{package}{ending}").unlink(missing_ok=True)


def _is_whole(folder: Path) -> bool:
    """Whether every file is as the package says of itself (CEP 34, ``info/paths.json``)."""
    try:
        documents = {path.name: json.loads(path.read_text()) for path in (folder / "info").glob("*.json")}
        paths = documents["paths.json"]["paths"]
        return "index.json" in documents and all(_is_as_noted(folder / entry["_path"], entry) for entry in paths)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_as_noted(path: Path, entry: dict[str, Any]) -> bool:
    if path.is_symlink() or entry.get("path_type") != "hardlink":
        return os.path.lexists(path)
    if path.stat().st_size != entry.get("size_in_bytes", path.stat().st_size):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]
