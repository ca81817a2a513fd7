"""What is to be carried over from an old hub to this one, against what is here already."""

import grp
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubctl import homes, settings_edit, tlspair
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl.doctor.finding import State
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.oldsite import carry, olddatabase
from hubctl.oldsite.findings import Carried, Findings, Person
from hubctl.oldsite.olddatabase import Copy
from hubctl.oldsite.oldhub import OldHub
from hubctl.settings import Settings
from hubctl.settings_errors import dotted
from hubctl.settings_sections import DRIVER_SHARE
from hubctl.tlspair import Files
from hubctl.units import format_memory, parse_memory
from hubctl.yamlfile import KeyPath

_ADDED_TO = (("mounts",), ("admin_users",))
"""Lists that keep what they have."""


@dataclass(frozen=True)
class Row:
    """A setting that is carried over.

    Attributes:
        is_new: whether it is another one by now.
        instead: what the administrator has set, and loses; None where that is the default, or the same.
    """

    carried: Carried
    is_new: bool
    instead: Any


@dataclass
class Plan:
    """All that is to be done.

    Attributes:
        text: what ``hub.yaml`` is to be; None where it is so already.
        database: None where none is taken.
        pair: None where none is taken.
        stays: why something of the old hub is not taken.
    """

    old: OldHub
    rows: list[Row] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    unneeded: list[str] = field(default_factory=list)
    text: str | None = None
    database: Copy | None = None
    pair: Files | None = None
    stays: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether all is as it would be."""
        return self.text is None and self.database is None and self.pair is None


def make(old: OldHub, layout: Layout, work: Path) -> Plan:
    """Reads the old hub, and compares. Nothing but ``work`` is written to.

    Raises:
        HubError: the settings of this hub are not valid, or would not be, or the old database is damaged.
    """
    settings = hub_settings.load(layout.settings)
    findings = carry.sort(old.config)
    plan = Plan(old, persons=findings.persons, unneeded=findings.unneeded)
    users = _database(plan, layout, work)
    carried = [*findings.carried, *_pair(plan, settings, layout)]
    after = _settings(plan, carried, settings, layout)
    _people(plan, findings, users, after)
    _starts(plan, layout)
    return plan


# ---- hub.yaml ----


def _settings(plan: Plan, carried: list[Carried], before: Settings, layout: Layout) -> Settings:
    """Fills in the rows and the text; gives the settings as they would be."""
    now, default = settings_edit.in_force(before), settings_edit.in_force(Settings())
    values: dict[KeyPath, Any] = {}
    for entry in carried:
        above = values.get(entry.where, settings_edit.value_at(now, entry.where) if entry.where in _ADDED_TO else None)
        values[entry.where] = _joined(above, entry.value) if entry.where in _ADDED_TO else entry.value
    if fitting := _fitting_drivers(carried, before):
        values[fitting.where] = fitting.value
    text, after = settings_edit.with_values(layout.settings, values)
    wanted = settings_edit.in_force(after)
    for entry in [*carried, *([fitting] if fitting else [])]:
        there, new = (settings_edit.value_at(where, entry.where) for where in (now, wanted))
        usual = settings_edit.value_at(default, entry.where)
        kept = there in (new, usual) or entry.where in _ADDED_TO
        plan.rows.append(Row(entry, there != new, None if kept else there))
    plan.text = text if wanted != now else None
    return after


def _joined(before: list[Any] | None, more: list[Any]) -> list[Any]:
    """Each entry once; defaults do not make two of one."""
    found = [_without_defaults(entry) for entry in before or []]
    return [*found, *(entry for entry in more if entry not in found)]


def _without_defaults(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: value for key, value in entry.items() if value not in (None, False)}
    return entry


def _fitting_drivers(carried: list[Carried], before: Settings) -> Carried | None:
    """The Spark kernels that the old memory limit has room for, where that is not all of them."""
    limit = next((entry for entry in carried if entry.where == ("limits", "memory")), None)
    if limit is None:
        return None
    fitting = [size for size in before.pyspark.driver_memory if size <= DRIVER_SHARE * parse_memory(limit.value)]
    if len(fitting) == len(before.pyspark.driver_memory):
        return None
    return Carried(limit.old, limit.line, ("pyspark", "driver_memory"), [*map(format_memory, fitting)])


# ---- database, key and certificate ----


def _database(plan: Plan, layout: Layout, work: Path) -> dict[str, bool]:
    """Takes the old database where this hub has none; gives the users that it knows."""
    try:
        source = plan.old.database
    except HubError as error:
        plan.persons.append(Person("c.JupyterHub.db_url", str(error)))
        return {}
    if source is None:
        folders = ", ".join(map(str, plan.old.folders))
        plan.persons.append(
            Person(
                "the database", f"it is in none of {folders}: run this in the folder that the old hub was started in"
            )
        )
        return {}
    copied = olddatabase.copy(source, work)
    if layout.database.exists():
        plan.stays.append(
            f"{layout.database} is there, and stays; to have the old hub's users in its place, stop the hub, move that "
            "file away, and run this again"
        )
    else:
        plan.database = copied
        if copied.token_owners:
            do = "JupyterHub takes no token of 1.x over; on the page `Token` new ones are made, by " + ", ".join(
                copied.token_owners
            )
            plan.persons.append(Person("tokens for programs", do))
    return copied.users


def _pair(plan: Plan, settings: Settings, layout: Layout) -> list[Carried]:
    """Takes key and certificate; where another program renews them, hub.yaml names them where they are."""
    options = plan.old.config.options
    if not {"JupyterHub.ssl_key", "JupyterHub.ssl_cert"} <= options.keys():
        return []
    key, cert = plan.old.file("JupyterHub.ssl_key"), plan.old.file("JupyterHub.ssl_cert")
    lines = {name: options[f"JupyterHub.ssl_{name}"].line for name in ("key", "cert")}
    if key is None or cert is None:
        _person(plan, lines, "they are not where that says: `hubctl cert install KEY CERT` takes them from elsewhere")
        return []
    target = Files(layout.below(settings.tls.key), layout.below(settings.tls.cert))
    is_linked = key.is_symlink() or cert.is_symlink()
    problems = _faults(Files(key, cert))
    if is_linked:  # a copy has modes of its own
        problems += [finding.found for finding in tlspair.modes(Files(key, cert))]
    else:
        problems += [f"{path} is a link, and stays" for path in (target.key, target.cert) if path.is_symlink()]
    if problems:
        _person(plan, lines, f"{'; '.join(problems)}: `hubctl cert install KEY CERT` takes another pair")
    elif is_linked:
        found = {"key": key, "cert": cert}
        return [
            Carried(f"JupyterHub.ssl_{name}", lines[name], ("tls", name), str(path)) for name, path in found.items()
        ]
    elif not (_same(key, target.key) and _same(cert, target.cert)):
        plan.pair = Files(key, cert)
    return []


def _person(plan: Plan, lines: dict[str, int], do: str) -> None:
    plan.persons.append(Person("JupyterHub.ssl_key, JupyterHub.ssl_cert", do, lines["key"]))


def _faults(pair: Files) -> list[str]:
    """Why a pair can't be used."""
    try:
        found = tlspair.examine(pair, tlspair.host_names())
    except HubError as error:
        return [error.what]
    return [finding.found for finding in found if finding.state == State.FAULT]


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


# ---- what else a person has to know ----


def _people(plan: Plan, findings: Findings, users: dict[str, bool], settings: Settings) -> None:
    """Members of the allowed groups may log in; an old hub had a list of names, or let everybody in."""
    if settings.auth == "shared-password":
        return
    names = sorted({*(findings.allowed or users), *settings.admin_users})
    outside = [name for name in names if homes.has_account(name) and not _is_in(name, settings.allowed_groups)]
    option = plan.old.config.options.get("Authenticator.whitelist") or plan.old.config.options.get(
        "Authenticator.allowed_users"
    )
    what, line = (option.name, option.line) if option else ("who may log in", None)
    if outside:
        groups = ", ".join(settings.allowed_groups)
        do = f"members of {groups} may log in, and these are not: " + "; ".join(
            f"usermod -aG {settings.allowed_groups[0] if settings.allowed_groups else 'GROUP'} {name}"
            for name in outside
        )
        plan.persons.append(Person(what, do, line))
    if missing := [name for name in names if not homes.has_account(name)]:
        plan.persons.append(Person(what, f"there is no account here of {', '.join(missing)}", line))


def _is_in(name: str, groups: Iterable[str]) -> bool:
    numbers = os.getgrouplist(name, pwd.getpwnam(name).pw_gid)
    return any(entry.gr_name in groups for entry in map(_group, numbers) if entry)


def _group(number: int) -> Any:
    try:
        return grp.getgrgid(number)
    except KeyError:
        return None


def _starts(plan: Plan, layout: Layout) -> None:
    """What would start the old hub again, or with this one's name."""
    # once all is here, containers of that name are this hub's
    if not plan.is_done and any(row.carried.value == "docker" for row in plan.rows):
        do = (
            "its users' containers go on and have the names that this hub gives: look at `docker ps --all --filter "
            "name=jupyter-`, save what is only in them, and `docker rm --force` them"
        )
        plan.persons.append(Person("containers of the old hub", do))
    unit = layout.unit
    if unit.is_file() and str(plan.old.prefix) in (text := unit.read_text(errors="replace")) and "hubctl" not in text:
        do = f"it starts the old hub: `hubctl setup` writes {unit.name}.new beside it, which has to take its place"
        plan.persons.append(Person(str(unit), do))
    if places.hub_config().exists() and places.hub_config().samefile(plan.old.config.path):
        do = f"this hub reads it, too: put {places.shipped('config') / places.hub_config().name} in its place"
        plan.persons.append(Person(str(places.hub_config()), do))


def say(value: Any) -> str:
    """A setting's value for people, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(say, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {say(inner)}' for key, inner in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def setting(row: Row) -> str:
    """``port: 443``, what it takes the place of, and whether it is so already."""
    instead = f"   (instead of {say(row.instead)})" if row.instead is not None else ""
    known = "" if row.is_new else "   (is so)"
    return f"{dotted(row.carried.where)}: {say(row.carried.value)}{instead}{known}"
