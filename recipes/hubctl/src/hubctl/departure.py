"""Before `hubctl upgrade` and `hubctl rollback` change anything: what going on after a kill needs, and who goes on."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hubctl import layout as places
from hubctl import status as hub_status
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.upgrading import database, journal, lifeboat
from hubctl.upgrading.journal import Journal
from hubctl.upgrading.lock import alone
from hubctl.upgrading.prefix import FailedError, forget, half_records

RESTART = "At the end, start a hub that runs again, and its proxy, also where that is a service of its own."


def folder() -> Path:
    """Where an upgrade or a rollback keeps what it needs, until it is done."""
    return places.base_prefix() / ".hubforge" / "upgrade"


def leftovers(layout: Layout) -> list[Path]:
    """What is there of one that was ended before its journal was, or after it was gone."""
    return [path for path in (folder(), *database.copies(layout.database)) if path.exists()]


def under_way() -> Journal | None:
    """One that was interrupted.

    Raises:
        HubError: its journal is damaged.
    """
    try:
        return journal.read(folder())
    except FailedError as error:
        raise HubError(str(error), journal.MEND) from None


def embark(*arguments: str) -> NoReturn:
    """Becomes the program that goes on with what the journal says, or with ``--back`` goes back."""
    sys.stdout.flush()
    os.execv(folder() / "finish", [str(folder() / "finish"), *arguments])


def note_restart(begun: Journal) -> None:
    """Has ``--restart``, given when one that was interrupted is gone on with, count as if it had been at its beginning.

    Raises:
        HubError: somebody else goes on with it meanwhile.
    """
    if begun.restart or hub_status.hub_pid(Layout.current()) is None:
        return
    try:
        with alone(folder().parent / "lock"):
            if found := journal.read(folder()):
                found.write(folder(), restart=True)
    except (FailedError, OSError) as error:
        raise HubError(f"It does not go on: {error}") from None


@contextmanager
def readable(prefix: Path, metapackage: str = "") -> Iterator[Path]:
    """A prefix for a question to conda, which does not begin with half-written records.

    Args:
        metapackage: the one that conda is asked for (see ``upgrading.prefix.forget``).

    Yields:
        ``prefix``, or where it has such records, which are named: a folder with a copy of the others.
    """
    half = half_records(prefix)
    if not half:
        yield prefix
        return
    for record in half:
        do = "it is removed, and conda links the package again where it is wanted"
        print(f"hubctl: {record} is half-written, as conda leaves it when it is killed: {do}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(prefix / "conda-meta", Path(work, "conda-meta"))
        forget(Path(work), half_records(Path(work)), metapackage)
        yield Path(work)


def prepare(layout: Layout, source: Path | None, begin: Callable[[], Journal]) -> None:
    """A copy of the database, what going on after a kill needs, and last the journal, which says that it has begun.

    Args:
        source: what the copy is made of; None where the database stays as it is.
        begin: makes the journal.

    Raises:
        HubError: nothing has begun.
    """
    try:
        folder().parent.mkdir(exist_ok=True)
        with alone(folder().parent / "lock"):
            if under_way():
                raise FailedError("another upgrade or rollback has begun meanwhile")
            if (folder().parent / "installing").exists():
                raise FailedError(
                    "an installer was interrupted here; `bash hub-installer.sh -u` finishes what it was at"
                )
            try:
                _write_down(layout, source, begin)
            except BaseException:
                if not (folder() / journal.NAME).exists():
                    for path in leftovers(layout):
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                raise
    except FailedError as error:
        raise HubError(str(error)) from None
    except (OSError, sqlite3.Error) as error:
        raise HubError(f"It can't begin: {error}", "run this as root, with space on the disk") from None


def _write_down(layout: Layout, source: Path | None, begin: Callable[[], Journal]) -> None:
    shutil.rmtree(folder(), ignore_errors=True)
    lifeboat.launch(places.base_prefix(), folder())
    if source and source.is_file():
        database.snapshot(source, layout.database.with_name(database.NEW))
    begun = begin()
    os.sync()  # after a power cut the journal promises `finish`, the copy of conda, and the files before
    begun.write(folder())
