"""``hubctl rollback``: the hub's environment as it was in one of conda's revisions."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hubctl import layout as places
from hubctl import schemas
from hubctl import status as hub_status
from hubctl.condacommand import conda
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.revisions import Revision, read, with_packages
from hubctl.upgrade import NO_RESTART, RESTART, embark, under_way
from hubctl.upgrading import journal
from hubctl.upgrading.lock import alone
from hubctl.upgrading.prefix import FailedError, forget, half_records, note_wanted, sweep
from hubctl.upgrading.surroundings import surroundings
from hubctl.wholefile import write


@dataclass(frozen=True)
class Begun:
    """What is being done, noted until all of it is.

    Attributes:
        revision: the one that is gone back to.
        restart: whether the hub, which ran, is started again at the end.
    """

    revision: int
    restart: bool = False


def rollback(
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="One of `hubctl history`; the one before when left out.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help=RESTART)] = False,
) -> None:
    """Bring the hub's environment back to an earlier revision, from the package cache, without network.

    base stays as it is. Afterwards the steps of `hubctl setup` are run, those of the release that is then there. A hub
    that runs goes on as it is until it is started again. Where the database has a schema that the earlier JupyterHub
    does not know, a copy from before takes its place, and what it held stays beside it. When this was interrupted, the
    same command goes on.

    Example: hubctl rollback --to 0
    """
    os.umask(0o022)  # conda gives new folders what it leaves, and users' servers run out of them
    if upgrade := under_way():
        if restart:
            print(NO_RESTART)
        _undo(upgrade, to, yes)
    layout = Layout.current()
    found = read(places.environment())
    begun = _begun(to)
    if to is None and begun is not None:
        print(f"Going on with the way back to revision {begun.revision}, which was interrupted.", flush=True)
        to = begun.revision
    revision = _earlier(found, to)
    with _alone() as held:
        runs = hub_status.hub_pid(layout) is not None
        plan = Begun(revision.number, bool(begun and begun.restart) or (restart and runs))
        copy = _copy(revision, layout)
        if copy:
            _tell(copy, layout)
            plan = _with_restart(plan, runs, yes)
        plan = _go_back(plan, runs, yes, held)
        # From here on only what is loaded already: the environment's files have changed below this program.
        _ask_for(revision, held)
        print(
            f"The environment is as in revision {revision.number}, release {revision.release or 'unknown'}.", flush=True
        )
        code = subprocess.run(_setup(), pass_fds=(held,)).returncode
        if code:
            raise typer.Exit(code)
        _renew(plan, copy, layout)
        _note().unlink(missing_ok=True)
    if revision.release != found[-1].release:
        print("base stays as it is, which serves every release; the installer of that release takes it back, with -u.")
    if not plan.restart:
        print("A hub that runs takes it up with `hubctl restart`.")


def _copy(revision: Revision, layout: Layout) -> Path | None:
    """What has to take the database's place."""
    cache = places.base_prefix() / "pkgs"
    return schemas.fitting_copy(layout, cache / revision.jupyterhub) if revision.jupyterhub else None


def _tell(copy: Path, layout: Layout) -> None:
    """What happens to the database."""
    made = datetime.fromtimestamp(copy.stat().st_mtime)
    print(
        f"The JupyterHub of this revision does not know the schema that {layout.database} has. The newest copy that it "
        f"knows takes its place: {copy}, of {made:%Y-%m-%d %H:%M}. What the hub has written since stays beside it.",
        flush=True,
    )


def _with_restart(plan: Begun, runs: bool, yes: bool) -> Begun:
    """A hub that runs holds the database: it is stopped for that, when whoever wants this knows.

    Raises:
        HubError: it would not be asked for.
    """
    if not runs or plan.restart:
        return plan
    if yes:
        raise HubError("The hub runs, and its database has to go back", "give --restart, too, or `hubctl stop` first")
    print("The hub, which runs, is started again for that.", flush=True)
    return replace(plan, restart=True)


@contextmanager
def _alone() -> Iterator[int]:
    """Nobody else changes the installation meanwhile; gives the lock, which whatever changes it has to inherit.

    Raises:
        HubError: somebody does, or this may not.
    """
    try:
        _note().parent.mkdir(exist_ok=True)
        with alone(_note().with_name("lock")) as held:
            yield held
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
        confirm(f"Go back to release {upgrade.release_before}?", default=True, abort=True)
    embark("--back")


def _renew(plan: Begun, copy: Path | None, layout: Layout) -> None:
    """The database, and the hub that ran."""
    if plan.restart:
        _hubctl("stop")
    if copy:
        kept = schemas.put_back(copy, layout)
        print(f"The database is the copy {copy} now; what it was stays as {kept}", flush=True)
    if plan.restart:
        _hubctl("start")


def _go_back(plan: Begun, runs: bool, yes: bool, held: int) -> Begun:
    """conda's own way back.

    Returns:
        The plan, with what was asked.

    Raises:
        HubError: conda has refused, or failed.
        OSError: the environment can't be written to.
    """
    command = conda("install", "--offline", "--revision", str(plan.revision))
    forget(places.environment(), half_records(places.environment()))
    if not yes:
        # What conda asks itself ends with 0 when the answer is no.
        if subprocess.run([*command, "--dry-run"], env=surroundings()).returncode:
            raise _did_not()
        confirm("Go back?", default=True, abort=True)
        if runs and not plan.restart:
            again = confirm("Start the hub, which runs, again at the end?")
            plan = replace(plan, restart=again)
    write(_note(), json.dumps(asdict(plan)) + "\n")
    print(
        f"If this is interrupted, the same command goes on. Should hubctl not start by then, this comes first:\n"
        f"  {' '.join(command)}",
        flush=True,
    )
    if subprocess.run([*command, "--yes"], env=surroundings(), pass_fds=(held,)).returncode:
        raise _did_not()
    sweep(places.environment())
    return plan


def _did_not() -> HubError:
    return HubError("conda did not go back", "what it says above is the reason; its revisions are as before")


def _unwritable(error: OSError) -> HubError:
    return HubError(f"Can't write {error.filename}: {error.strerror}", "run this as the owner of the prefix")


def _note() -> Path:
    """Says what is being done, until all is done. The installer's ``-u`` removes it."""
    return places.base_prefix() / ".hubforge" / "rollback"


def _begun(to: int | None) -> Begun | None:
    """What an interrupted run was at.

    Raises:
        HubError: there was one, but its note is damaged, and ``to`` doesn't say where to go either.
    """
    try:
        return Begun(**json.loads(_note().read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        if to is not None:
            return None
        raise HubError(
            f"{_note()} is damaged, so it can't be told which revision was being gone back to",
            "`hubctl history` shows them, `hubctl rollback --to REVISION` goes on",
        ) from None


def _ask_for(revision: Revision, held: int) -> None:
    """Notes which release is wanted: conda, which does not, would bring the newer one with the next package."""
    if not revision.release:
        return
    python, environment = places.base_prefix() / "bin" / "python", places.environment()
    try:
        note_wanted(str(python), environment, f"hubforge {revision.release}", surroundings(), (held,))
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


def _hubctl(verb: str) -> None:
    """Of the release that is there now."""
    command = [str(places.environment() / "bin" / "python"), "-B", "-m", "hubctl", verb]
    variables = surroundings() | {"HUBFORGE_ROOT": str(Layout.current().root)}
    if subprocess.run(command, env=variables).returncode:
        raise HubError(f"`hubctl {verb}` did not succeed", "when the cause is removed, the same command goes on")


def _setup() -> list[str]:
    """The steps of the release that is there now, which may have another Python than this program."""
    python, steps = places.environment() / "bin" / "python", places.shipped("post_install")
    root, prefix = str(Layout.current().root), str(places.base_prefix())
    return [str(python), "-I", "-B", str(steps), "--root", root, "--prefix", prefix]
