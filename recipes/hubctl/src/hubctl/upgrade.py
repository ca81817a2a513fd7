"""``hubctl upgrade``: another release, for the hub's environment and for base; all of it, or nothing."""

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from packaging.version import InvalidVersion, Version

from hubctl import condaconfig, departure, revisions, tables
from hubctl import layout as places
from hubctl import status as hub_status
from hubctl.channel_commands import releases
from hubctl.condacommand import conda
from hubctl.departure import RESTART, embark, under_way
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.upgrading.journal import Before, Journal, release_of
from hubctl.upgrading.prefix import linked
from hubctl.upgrading.surroundings import surroundings
from hubctl.verify import wrong_files

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
        if begun.is_rollback:
            raise HubError(
                f"A rollback to revision {begun.hub.revision} was interrupted", "`hubctl rollback` goes on with it"
            )
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


def _go_on(begun: Journal, restart: bool) -> NoReturn:
    """An upgrade that was interrupted; ``restart`` counts as if it had been given at its beginning."""
    way = "way back from" if begun.is_back else "upgrade to"
    print(f"Going on with the {way} release {begun.release}, which was interrupted.", flush=True)
    if restart and begun.is_back:
        print(NO_RESTART)
    elif restart:
        departure.note_restart(begun)
    embark()


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
    wanted, present = to or known[-1], release_of(linked(places.environment()))
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
    with tempfile.TemporaryDirectory() as work, departure.readable(prefix, spec.partition("==")[0]) as asked:
        command = conda("install", "--dry-run", "--json", spec, prefix=asked)
        # nothing is written, not even what conda remembers of the channel
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
    def begin() -> Journal:
        hub, base = _before(places.environment()), _before(places.base_prefix())
        coming = sorted(plan.coming)
        return Journal(str(layout.root), plan.release, hub, base, wrong_files(), restart, coming=coming)

    departure.prepare(layout, layout.database, begin)
    finish = departure.folder() / "finish"
    print(
        "If this is interrupted, `hubctl upgrade` goes on, and `hubctl rollback` goes back. "
        "Where hubctl does not start by then, these do the same:"
    )
    print(f"  {finish}\n  {finish} --back", flush=True)


def _before(prefix: Path) -> Before:
    found = revisions.read(prefix)
    return Before(str(prefix), revisions.with_packages(found, found[-1].number), linked(prefix))
