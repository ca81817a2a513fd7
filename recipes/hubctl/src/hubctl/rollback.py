"""``hubctl rollback``: the hub's environment as it was in one of conda's revisions."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hubctl import departure, schemas
from hubctl import layout as places
from hubctl import status as hub_status
from hubctl.condacommand import conda
from hubctl.departure import RESTART, embark
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.revisions import Revision, packages, read, with_packages
from hubctl.upgrade import NO_RESTART
from hubctl.upgrading.journal import Before, Journal, release_of
from hubctl.upgrading.prefix import linked
from hubctl.upgrading.surroundings import surroundings


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        revision: the one that is gone back to.
        restart: whether the hub, which runs, is started again at the end.
        copy: what takes the database's place; None where it stays.
    """

    revision: Revision
    restart: bool
    copy: Path | None


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
    if begun := departure.under_way():
        if begun.is_rollback:
            _go_on(begun, to, restart)
        _undo(begun, to, yes, restart)
    layout = Layout.current()
    revision = _earlier(read(places.environment()), to)
    runs = hub_status.hub_pid(layout) is not None
    plan = Plan(revision, restart and runs, _copy(revision, layout))
    if plan.copy:
        _tell(plan.copy, layout)
        plan = _with_restart(plan, runs, yes)
    with departure.readable(places.environment()) as prefix:
        offline = _fetch(prefix, revision)
        if not yes:
            plan = _ask(plan, runs, prefix, offline)
    _prepare(layout, plan)
    embark("--back")


# ---- one that was interrupted ----


def _go_on(begun: Journal, to: int | None, restart: bool) -> NoReturn:
    """A rollback; ``restart`` counts as if it had been given at its beginning."""
    revision = begun.hub.revision
    if to is not None and with_packages(read(places.environment()), to) != revision:
        raise HubError(
            f"A rollback to revision {revision} was interrupted",
            "`hubctl rollback` goes on with it; then any revision can be gone to",
        )
    print(f"Going on with the way back to revision {revision}, which was interrupted.", flush=True)
    if restart:
        departure.note_restart(begun)
    embark("--back")


def _undo(upgrade: Journal, to: int | None, yes: bool, restart: bool) -> NoReturn:
    """Back from an upgrade."""
    if restart:
        print(NO_RESTART)
    if to not in (None, upgrade.hub.revision):
        raise HubError(
            f"An upgrade to release {upgrade.release} was interrupted",
            "`hubctl upgrade` goes on with it, `hubctl rollback` goes back; then any revision can be gone to",
        )
    print(f"The upgrade to release {upgrade.release} was interrupted.", flush=True)
    if not yes:
        confirm(f"Go back to release {upgrade.release_before}?", default=True, abort=True)
    embark("--back")


# ---- which revision, and the database that it goes with ----


def _earlier(found: Sequence[Revision], wanted: int | None) -> Revision:
    """The revision to go back to."""
    last = found[-1].number if found else 0
    # A revision without a release is what a killed conda has left; one without changes is the one before it.
    whole = {with_packages(found, revision.number) for revision in found if revision.release}
    whole.discard(with_packages(found, last))
    number = max(whole, default=last - 1) if wanted is None else wanted
    if last == 0 or number == last:
        raise HubError("There is no earlier revision" if last == 0 else f"This is revision {last} already")
    for revision in found:
        if revision.number == number:
            return next(one for one in found if one.number == with_packages(found, number))
    raise HubError(f"There is no revision {number}", f"`hubctl history` shows those from 0 to {last}")


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


def _with_restart(plan: Plan, runs: bool, yes: bool) -> Plan:
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


# ---- before anything changes ----


def _fetch(prefix: Path, revision: Revision) -> list[str]:
    """Has conda get the packages: from its cache, or where somebody has cleared that, from the channel.

    Returns:
        With which of its options it can.

    Raises:
        HubError: it can't; its reason is given.
    """
    reason = ""
    for options in (["--offline"], []):
        command = conda("install", "--revision", str(revision.number), *options, prefix=prefix)
        done = subprocess.run(
            [*command, "--download-only", "--yes", "--json"], env=surroundings(), capture_output=True, text=True
        )
        if done.returncode == 0:
            return options
        try:
            reason = reason or str(json.loads(done.stdout)["message"]).strip()
        except (ValueError, TypeError, KeyError):
            reason = reason or (done.stderr or done.stdout).strip()[-1000:]
    raise _stays(revision.number, reason)


def _stays(number: int, reason: str) -> HubError:
    return HubError(f"conda can't go back to revision {number}: {reason}", "its revisions are as before")


def _ask(plan: Plan, runs: bool, prefix: Path, options: Sequence[str]) -> Plan:
    """With conda's own list of what changes; what conda asks itself ends with 0 when the answer is no."""
    number = plan.revision.number
    print(f"Revision {number}, of {plan.revision.date}, has release {plan.revision.release or 'unknown'}.", flush=True)
    command = conda("install", "--revision", str(number), *options, "--dry-run", prefix=prefix)
    done = subprocess.run(command, env=surroundings(), stderr=subprocess.PIPE, text=True)  # it says that it is dry
    if done.returncode:
        raise _stays(number, done.stderr.strip())
    confirm("Go back?", default=True, abort=True)
    if runs and not plan.restart:
        return replace(plan, restart=confirm("Start the hub, which runs, again at the end?"))
    return plan


def _prepare(layout: Layout, plan: Plan) -> None:
    revision, environment = plan.revision, places.environment()

    def begin() -> Journal:
        hub = Before(str(environment), revision.number, packages(environment, revision.number))
        base = Before(str(places.base_prefix()), 0, linked(places.base_prefix()))  # which stays as it is
        kept = layout.database.with_name(f"{layout.database.name}.before-rollback-{datetime.now():%Y-%m-%d-%H%M%S}")
        return Journal(
            str(layout.root),
            release_of(linked(environment)),
            hub,
            base,
            altered=[],
            restart=plan.restart,
            is_back=True,
            is_rollback=True,
            kept=str(kept),
        )

    departure.prepare(layout, plan.copy, begin)
    print(
        "If this is interrupted, the same command goes on. Where hubctl does not start by then, this does:\n"
        f"  {departure.folder() / 'finish'} --back",
        flush=True,
    )
