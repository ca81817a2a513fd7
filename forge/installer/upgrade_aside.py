"""Keeps what somebody has put where a file of the new set belongs, and gives it its name back."""

import os
from collections.abc import Iterable
from pathlib import Path

from link import Package, replace  # type: ignore[import-not-found]
from upgrade_mend import owned_files, paths_in_prefix, same_file  # type: ignore[import-not-found]
from upgrade_state import Place  # type: ignore[import-not-found]
from wording import message  # type: ignore[import-not-found]

SUFFIX = ".before-hubforge"
"""What the name of a file that was in the way ends in from then on."""


def set_aside(place: Place, folder: Path, packages: Iterable[Package]) -> None:
    """Renames the files of nobody's package that are where ``packages`` have theirs; each is said and written down.

    The names are in ``.hubforge/set-aside``, a line each, relative to the prefix: an uninstallation puts them back.
    """
    owned = owned_files(folder)
    for package in packages:
        for name, source in paths_in_prefix(folder, place.cache / package.stem):
            path = folder / name
            if name in owned or not os.path.lexists(path) or same_file(path, source):
                continue
            if path.is_dir() and not path.is_symlink():
                continue
            _write(place, [*_read(place), path.relative_to(place.prefix).as_posix()])
            path.rename(f"{path}{SUFFIX}")
            print(message("set_aside", path=path, name=f"{path.name}{SUFFIX}"), flush=True)


def put_back(place: Place) -> None:
    """Gives every file that was set aside its name back."""
    for name in _read(place):
        aside = place.prefix / f"{name}{SUFFIX}"
        if os.path.lexists(aside):
            aside.rename(place.prefix / name)
    _list(place).unlink(missing_ok=True)


def _list(place: Place) -> Path:
    path: Path = place.prefix / ".hubforge/set-aside"
    return path


def _read(place: Place) -> list[str]:
    return _list(place).read_text().splitlines() if _list(place).is_file() else []


def _write(place: Place, names: Iterable[str]) -> None:
    replace(_list(place), "".join(f"{name}\n" for name in dict.fromkeys(names)))
