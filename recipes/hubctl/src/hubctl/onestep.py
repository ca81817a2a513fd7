"""Several files changed as one: after a kill or a power cut all of them are the new ones, or all are as they were.

rename(2) is atomic for one file. So the new files are written beside their places first, then a journal says which is
to get which name, then they get them. What was killed before the journal was there has changed nothing; what was
killed after it is finished by the next ``hubctl``, whichever command, or by the next start of the hub.

A power cut may keep a later change of a name and lose an earlier one, where nobody has asked for their order (fsync(2)
of the folders). So the new files and their names are on the disk before the journal is, the journal before the first of
them gets its place, all places before the journal goes, and its going before the command ends: one that came back would
undo what somebody has done since.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubctl import wholefile
from hubctl.folderlock import locked
from hubctl.layout import Layout
from hubctl.upgrading.disk import names_to_disk


@dataclass(frozen=True)
class New:
    """What a file is to hold.

    Attributes:
        source: a file with that content, which stays.
        mode: of the new file.
    """

    source: Path
    mode: int


def change(
    layout: Layout, new: Mapping[Path, New], aside: Mapping[Path, Path] | None = None, gone: Sequence[Path] = ()
) -> None:
    """Puts new files in place, gives others another name, removes others: all of it, or nothing.

    Args:
        layout: whose state folder holds the journal meanwhile.
        new: by their places, whose folders are there, on the disk.
        aside: files and the names that they are to have; none of them is among the new.
        gone: files to be removed, where they are there.

    Raises:
        OSError: before anything was changed; or in the midst of it, and then the next command goes on.
    """
    with alone(layout):
        _carry_out(layout)
        staged: dict[Path, Path] = {}
        try:
            for target, wanted in new.items():
                temporary = target.with_name(f".{target.name}.hubctl")
                temporary.unlink(missing_ok=True)  # of a command that was killed
                staged[temporary] = target
                wholefile.copy(wanted.source, temporary, wanted.mode)
            for folder in {path.parent for path in staged}:
                names_to_disk(folder)
            names = {**(aside or {}), **staged}
            _note(layout, {"gone": [*map(str, gone)], "names": {str(old): str(name) for old, name in names.items()}})
        except BaseException:
            for temporary in staged:
                temporary.unlink(missing_ok=True)
            raise
        _carry_out(layout)


def finish(layout: Layout) -> list[Path]:
    """Carries out what a killed command has left to do; nothing where it may not, as for users who are not root.

    Returns:
        The files that are the new ones now.

    Raises:
        OSError: it can't be done still.
    """
    if not os.path.isfile(layout.journal):  # noqa: PTH113  # False, too, for users who may not look
        return []
    with alone(layout):
        return _carry_out(layout)


def _carry_out(layout: Layout) -> list[Path]:
    """What the journal says; each part of it that was done already stays as it is."""
    try:
        with os.fdopen(os.open(layout.journal, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return []  # whoever else could write it may not say what this user's rights do
            todo: dict[str, Any] = json.load(file)
    except (FileNotFoundError, PermissionError):
        return []
    gone = [Path(path) for path in todo["gone"]]
    names = {Path(old): Path(name) for old, name in todo["names"].items()}
    for path in gone:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in gone}:
        names_to_disk(folder)  # they would be applied to what comes in the place of theirs
    for old, name in names.items():
        with contextlib.suppress(FileNotFoundError):
            old.replace(name)
    for folder in {name.parent for name in names.values()}:
        names_to_disk(folder)
    layout.journal.unlink()
    names_to_disk(layout.state)
    return [*names.values()]


def _note(layout: Layout, todo: dict[str, Any]) -> None:
    """Writes the journal whole."""
    temporary = layout.journal.with_name(f".{layout.journal.name}")
    temporary.unlink(missing_ok=True)  # of a command that was killed, or somebody else's
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(todo, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(layout.journal)
    names_to_disk(layout.state)


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """One change or backup at a time."""
    with locked(layout.state):
        yield
