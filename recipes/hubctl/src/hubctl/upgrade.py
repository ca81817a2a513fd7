"""``hubctl upgrade``: another release, for the hub's environment and for base; all of it, or nothing."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from packaging.version import InvalidVersion, Version

from hubctl import condaconfig, revisions, tables
from hubctl import layout as places
from hubctl import status as hub_status
from hubctl.channel_commands import releases
from hubctl.condacommand import conda
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.upgrading import database, journal, lifeboat
from hubctl.upgrading.journal import Before, Journal
from hubctl.upgrading.lock import alone
from hubctl.upgrading.prefix import FailedError, forget, half_records, linked
from hubctl.upgrading.surroundings import surroundings
from hubctl.verify import wrong_files

RESTART = "At the end, start a hub that runs again, and its proxy, also where that is a service of its own."

NO_RESTART = "--restart is left out: on the way back a hub is started again where the upgrade has stopped it."


@dataclass(frozen=True)
class Change:
    """What becomes of one package; ``before`` or ``after`` is ``-`` where it is not there."""

    environment: str
    package: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        release: the one to go to.
        coming: ``name-version-build`` of each package that conda links for that.
    """

    release: str
    changes: list[Change]
    coming: set[str]


def upgrade(
    to: Annotated[
        str | None, typer.Option("--to", help="A release of the channel; the newest when left out.", metavar="RELEASE")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, with --dry-run.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help=RESTART)] = False,
) -> None:
    """Bring the hub's environment and base to a newer release of the channel, or leave all as it is.

    What changes is shown first. The hub and users' servers run on meanwhile. After a failure everything goes back,
    database included. When this was interrupted, the same command goes on, and `hubctl rollback` goes back.

    Example: hubctl upgrade --to 2026.12 --restart
    """
    if as_json and not dry_run:
        raise typer.BadParameter("--json shows what would change: give --dry-run, too")
    if begun := under_way():
        if dry_run or to not in (None, begun.release):
            raise HubError(
                f"An upgrade to release {begun.release} was interrupted",
                "`hubctl upgrade` goes on with it, `hubctl rollback` goes back",
            )
        _go_on(begun, restart)
    os.umask(0o022)  # conda gives new folders what it leaves, and users' servers run out of them
    layout = Layout.current()
    plan = _plan(to)
    if as_json:
        print(json.dumps({"release": plan.release, "changes": [asdict(change) for change in plan.changes]}, indent=2))
        return
    if not plan.changes:
        print(f"Release {plan.release} is there, and the channel has nothing newer.")
        return
    print(f"Release {plan.release} changes these packages:")
    rows = [(change.environment, change.package, change.before, change.after) for change in plan.changes]
    tables.show(("environment", "package", "from", "to"), rows)
    if dry_run:
        return
    runs = hub_status.hub_pid(layout) is not None
    if not yes:
        confirm("Go on?", default=True, abort=True)
        restart = restart or (runs and confirm("Start the hub, which runs, again at the end?"))
    _prepare(layout, plan, restart and runs)
    embark()


def folder() -> Path:
    """Where an upgrade keeps what it needs, until it is done."""
    return places.base_prefix() / ".hubforge" / "upgrade"


def leftovers(layout: Layout) -> list[Path]:
    """What is there of an upgrade that was ended before its journal was, or after it was gone."""
    return [path for path in (folder(), *database.copies(layout.database)) if path.exists()]


def under_way() -> Journal | None:
    """An upgrade that was interrupted.

    Raises:
        HubError: its journal is damaged.
    """
    try:
        return journal.read(folder())
    except FailedError as error:
        raise HubError(str(error), journal.MEND) from None


def embark(*arguments: str) -> NoReturn:
    """Becomes the program that goes on with the upgrade whose journal is there, or with ``--back`` undoes it."""
    os.execv(folder() / "finish", [str(folder() / "finish"), *arguments])


def _go_on(begun: Journal, restart: bool) -> NoReturn:
    """An upgrade that was interrupted; ``restart`` counts as if it had been given at its beginning."""
    way = "way back from" if begun.is_back else "upgrade to"
    print(f"Going on with the {way} release {begun.release}, which was interrupted.", flush=True)
    if restart and begun.is_back:
        print(NO_RESTART)
    elif restart and not begun.restart and hub_status.hub_pid(Layout.current()) is not None:
        _note_restart()
    sys.stdout.flush()
    embark()


def _note_restart() -> None:
    """In the journal, when nobody else goes on with it meanwhile."""
    try:
        with alone(folder().parent / "lock"):
            if begun := journal.read(folder()):
                begun.write(folder(), restart=True)
    except (FailedError, OSError) as error:
        raise HubError(f"The upgrade does not go on: {error}") from None


# ---- which release ----


def _plan(to: str | None) -> Plan:
    wanted, is_in_channel = _wanted(to)
    plan = Plan(wanted, [], set())
    if is_in_channel:
        _add_changes(plan, places.environment(), "jupyterhubenv", f"hubforge=={wanted}")
        _add_changes(plan, places.base_prefix(), "base", f"hubforge-base=={wanted}")
    return plan


def _wanted(to: str | None) -> tuple[str, bool]:
    """The release to go to, which is not older than what is there; and whether the channel has it.

    Without ``to`` it is what is there, where the channel has only older ones.
    """
    layout = Layout.current()
    found = condaconfig.addresses(condaconfig.read(layout), layout)
    known = sorted(releases(" and ".join(found)), key=_number) if found else []
    if not known:
        raise HubError(
            "The channel has no release",
            "add one: hubctl channel add hub-installer.sh; or name a channel that has some",
        )
    if to is not None and to not in known:
        raise HubError(f"The channel has no release {to}", f"it has {', '.join(known)}")
    wanted, present = to or known[-1], journal.release_of(linked(places.environment()))
    if present and _number(wanted) < _number(present):
        if to is None:
            return present, False
        raise HubError(
            f"Release {to} is older than {present}, which is there",
            "`hubctl rollback` goes back to what was there before; the installer of that release does, with "
            "-u --allow-downgrade",
        )
    return wanted, True


def _number(release: str) -> Version:
    try:
        return Version(release)
    except InvalidVersion:
        return Version("0")


# ---- what would change ----


def _add_changes(plan: Plan, prefix: Path, name: str, spec: str) -> None:
    """What conda would do to an environment, once half-written records, with which it would not begin, are gone.

    Raises:
        HubError: it can't; its reason is given.
    """
    with tempfile.TemporaryDirectory() as work:  # nothing is written, not even what conda remembers of the channel
        if half := half_records(prefix):
            _say_half(half)
            shutil.copytree(prefix / "conda-meta", Path(work, "conda-meta"))
            forget(Path(work), half_records(Path(work)), spec.partition("==")[0])
        command = conda("install", "--dry-run", "--json", spec, prefix=Path(work) if half else prefix)
        variables = surroundings() | {"CONDA_PKGS_DIRS": f"{work}/pkgs"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise HubError(f"conda fails: {(done.stderr or done.stdout).strip()[-1000:]}") from None
    if not answer.get("success"):
        reason = str(answer.get("message") or answer.get("error")).strip()
        conflict = answer.get("exception_name") == "UnsatisfiableError"
        do = "`conda remove` what is in the way, and add another version of it afterwards" if conflict else ""
        raise HubError(f"conda can't bring {spec} into {name}:\n{reason}", do)
    actions = answer.get("actions", {})
    before = {package["name"]: package for package in actions.get("UNLINK", ())}
    after = {package["name"]: package for package in actions.get("LINK", ())}
    names = sorted(before.keys() | after.keys())
    plan.changes.extend(Change(name, one, *_versions(before.get(one), after.get(one))) for one in names)
    plan.coming.update(package["dist_name"] for package in after.values())


def _say_half(records: list[Path]) -> None:
    for record in records:
        do = "an upgrade removes it, and conda links the package again where it is wanted"
        print(f"hubctl: {record} is half-written, as conda leaves it when it is killed: {do}", file=sys.stderr)


def _versions(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[str, str]:
    """As people tell them apart: with the build where the version is the same."""
    same = before and after and before["version"] == after["version"]

    def words(package: dict[str, Any] | None) -> str:
        if package is None:
            return "-"
        return f"{package['version']}={package['build_string']}" if same else str(package["version"])

    return words(before), words(after)


# ---- before anything changes ----


def _prepare(layout: Layout, plan: Plan, restart: bool) -> None:
    """A copy of the database, what going on after a kill needs, and last the journal, which says that it has begun."""
    try:
        folder().parent.mkdir(exist_ok=True)
        with alone(folder().parent / "lock"):
            if journal.read(folder()):
                raise FailedError("another upgrade has begun meanwhile")
            if (folder().parent / "installing").exists():
                raise FailedError(
                    "an installer was interrupted here; `bash hub-installer.sh -u` finishes what it was at"
                )
            try:
                _write_down(layout, plan, restart)
            except BaseException:
                if not (folder() / journal.NAME).exists():
                    for path in leftovers(layout):
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                raise
    except FailedError as error:
        raise HubError(str(error)) from None
    except (OSError, sqlite3.Error) as error:
        raise HubError(f"The upgrade can't begin: {error}", "run this as root, with space on the disk") from None
    print(
        "If this is interrupted, `hubctl upgrade` goes on, and `hubctl rollback` goes back. "
        "Where hubctl does not start by then, these do the same:"
    )
    print(f"  {folder() / 'finish'}\n  {folder() / 'finish'} --back", flush=True)


def _write_down(layout: Layout, plan: Plan, restart: bool) -> None:
    shutil.rmtree(folder(), ignore_errors=True)
    folder().with_name("rollback").unlink(missing_ok=True)  # this is another way out of an interrupted one
    lifeboat.launch(places.base_prefix(), folder())
    if layout.database.is_file():
        database.snapshot(layout.database, layout.database.with_name(database.NEW))
    hub, base = _before(places.environment()), _before(places.base_prefix())
    coming = sorted(plan.coming)
    begun = Journal(str(layout.root), plan.release, hub, base, wrong_files(), restart, coming=coming)
    os.sync()  # after a power cut the journal promises `finish`, the copy of conda, and the files before
    begun.write(folder())


def _before(prefix: Path) -> Before:
    found = revisions.read(prefix)
    return Before(str(prefix), revisions.with_packages(found, found[-1].number), linked(prefix))
