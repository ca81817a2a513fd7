"""``hubctl rollback``: the hub's environment as it was in one of conda's revisions."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hubctl import layout as places
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.revisions import Revision, conda, read, surroundings, with_packages
from hubctl.upgrade import embark, folder
from hubctl.upgrading import journal
from hubctl.upgrading.lock import alone
from hubctl.upgrading.prefix import FailedError, note_wanted, remove_half_records
from hubctl.wholefile import write


def rollback(
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="One of `hubctl history`; the one before when left out.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Bring the hub's environment back to an earlier revision, from the package cache, without network.

    base stays as it is. Afterwards the steps of `hubctl setup` are run, those of the release that is then there. A hub
    that runs goes on as it is until it is started again. When this was interrupted, the same command goes on.

    Example: hubctl rollback --to 0
    """
    os.umask(0o022)  # conda gives new folders what it leaves, and users' servers run out of them
    if upgrade := journal.read(folder()):
        _undo(upgrade, to, yes)
    found = read(places.environment())
    begun = _begun()
    if to is None and begun is not None:
        print(f"Going on with the way back to revision {begun}, which was interrupted.", flush=True)
        to = begun
    revision = _earlier(found, to)
    with _alone():
        _go_back(revision, yes)
        # From here on only what is loaded already: the environment's files have changed below this program.
        _ask_for(revision)
        print(
            f"The environment is as in revision {revision.number}, release {revision.release or 'unknown'}.", flush=True
        )
        code = subprocess.run(_setup()).returncode
    if code:
        raise typer.Exit(code)
    _note().unlink(missing_ok=True)
    if revision.release != found[-1].release:
        print("base stays as it is, which serves every release; the installer of that release takes it back, with -u.")
    print("A hub that runs takes it up with `hubctl stop` and `hubctl start`.")


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else changes the installation meanwhile.

    Raises:
        HubError: somebody does, or this may not.
    """
    try:
        _note().parent.mkdir(exist_ok=True)
        with alone(_note().with_name("lock")):
            yield
    except FailedError as error:
        raise HubError(str(error)) from None
    except OSError as error:
        raise _unwritable(error) from None


def _undo(upgrade: journal.Journal, to: int | None, yes: bool) -> NoReturn:
    """Back from an upgrade that was interrupted."""
    if to not in (None, upgrade.hub.revision):
        raise HubError(
            f"An upgrade to release {upgrade.release} was interrupted",
            "`hubctl upgrade` goes on with it, `hubctl rollback` goes back; then any revision can be gone to",
        )
    print(f"The upgrade to release {upgrade.release} was interrupted.", flush=True)
    if not yes:
        typer.confirm(f"Go back to release {upgrade.release_before}?", default=True, abort=True)
    embark("--back")


def _go_back(revision: Revision, yes: bool) -> None:
    """conda's own way back.

    Raises:
        HubError: conda has refused, or failed.
        OSError: the environment can't be written to.
    """
    command = conda("install", "--offline", "--revision", str(revision.number))
    remove_half_records(places.environment())
    if not yes:
        # What conda asks itself ends with 0 when the answer is no.
        if subprocess.run([*command, "--dry-run"], env=surroundings()).returncode:
            raise _did_not()
        typer.confirm("Go back?", default=True, abort=True)
    write(_note(), json.dumps({"revision": revision.number}) + "\n")
    print(
        f"If this is interrupted, the same command goes on. Should hubctl not start by then, this comes first:\n"
        f"  {' '.join(command)}",
        flush=True,
    )
    if subprocess.run([*command, "--yes"], env=surroundings()).returncode:
        raise _did_not()


def _did_not() -> HubError:
    return HubError("conda did not go back", "what it says above is the reason; its revisions are as before")


def _unwritable(error: OSError) -> HubError:
    return HubError(f"Can't write {error.filename}: {error.strerror}", "run this as the owner of the prefix")


def _note() -> Path:
    """Says which revision is being gone back to, until all is done. The installer's ``-u`` removes it."""
    return places.base_prefix() / ".hubforge" / "rollback"


def _begun() -> int | None:
    """The revision of an interrupted run."""
    try:
        return int(json.loads(_note().read_text())["revision"])
    except FileNotFoundError:
        return None


def _ask_for(revision: Revision) -> None:
    """Notes which release is wanted: conda, which does not, would bring the newer one with the next package."""
    if not revision.release:
        return
    python, environment = places.base_prefix() / "bin" / "python", places.environment()
    try:
        note_wanted(str(python), environment, f"hubforge {revision.release}", surroundings())
    except FailedError:
        do = f"`conda install --prefix {environment} hubforge={revision.release}` does"
        raise HubError("The environment went back, but conda did not note which release is wanted", do) from None


def _earlier(found: Sequence[Revision], wanted: int | None) -> Revision:
    """The revision to go back to."""
    last = found[-1].number if found else 0
    # A revision without a release is what a killed conda has left.
    whole = [revision.number for revision in found[:-1] if revision.release]
    number = max(whole, default=last - 1) if wanted is None else wanted
    if last == 0 or number == last:
        raise HubError("There is no earlier revision" if last == 0 else f"This is revision {last} already")
    for revision in found:
        if revision.number == number:
            return next(one for one in found if one.number == with_packages(found, number))
    raise HubError(f"There is no revision {number}", f"`hubctl history` shows those from 0 to {last}")


def _setup() -> list[str]:
    """The steps of the release that is there now, which may have another Python than this program."""
    python, steps = places.environment() / "bin" / "python", places.shipped("post_install")
    root, prefix = str(Layout.current().root), str(places.base_prefix())
    return [str(python), "-I", "-B", str(steps), "--root", root, "--prefix", prefix]
