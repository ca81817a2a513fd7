"""How far an upgrade or a rollback has come: a file in ``PREFIX/.hubforge/upgrade``, there while one is under way."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .disk import names_to_disk
from .prefix import FailedError

NAME = "journal.json"
MEND = "`bash hub-installer.sh -u -f` makes the installation whole, and ends that upgrade"
"""Of a journal that can't be read."""


@dataclass(frozen=True)
class Before:
    """What an environment was before the first change.

    Attributes:
        revision: conda's number of that state.
        packages: ``name-version-build`` of each.
    """

    folder: str
    revision: int
    packages: list[str]


@dataclass(frozen=True)
class Journal:
    """An upgrade, or a rollback of one that had come to its end, that has begun.

    Attributes:
        root: what stands for ``/``.
        release: the one that is wanted; of a rollback the one that is left.
        hub: the hub's environment; of a rollback what it is to be.
        base: conda's own.
        altered: files that were not as their packages have them before anything was changed.
        restart: whether the hub, which runs, is to be started again at the end.
        is_stopped: whether the hub may have been stopped for that.
        is_migrated: whether its database may have another schema since.
        is_back: whether it is on its way back.
        coming: ``name-version-build`` of each package that conda links on the way there, in whichever environment.
        is_rollback: whether it is one, which knows only the way back.
        kept: where a rollback keeps what the database held, when a copy takes its place.
    """

    root: str
    release: str
    hub: Before
    base: Before
    altered: list[str]
    restart: bool
    is_stopped: bool = False
    is_migrated: bool = False
    is_back: bool = False
    coming: list[str] = field(default_factory=list)
    is_rollback: bool = False
    kept: str = ""

    @property
    def release_before(self) -> str:
        """The release that the hub's environment held; empty where it held none."""
        return release_of(self.hub.packages)

    def write(self, folder: Path, **changes: Any) -> "Journal":
        """Puts this, with what has changed, on the disk; whole or not at all.

        What it speaks of has to be on the disk by then. At the end it is there itself, and stays after a power cut:
        what it announces may begin.
        """
        journal = replace(self, **changes)
        temporary = folder / f".{NAME}"
        with temporary.open("w") as file:
            json.dump(asdict(journal), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / NAME)
        names_to_disk(folder)
        return journal


def read(folder: Path) -> Journal | None:
    """What is under way; None where nothing is.

    Raises:
        FailedError: one is, but nobody knows how far it has come.
    """
    try:
        found = json.loads((folder / NAME).read_text())
        return Journal(**{**found, "hub": Before(**found["hub"]), "base": Before(**found["base"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise FailedError(f"{folder / NAME} is damaged, so it can't be told how far that upgrade has come") from None


def release_of(packages: list[str], metapackage: str = "hubforge") -> str:
    """The release that one of these packages is; empty where none is."""
    found = [package.rsplit("-", 2) for package in packages]
    return next((version for name, version, _ in found if name == metapackage), "")
