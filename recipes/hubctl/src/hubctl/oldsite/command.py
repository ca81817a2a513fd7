"""``hubctl migrate``. What it works with is loaded when it runs: no other command need wait for that."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubctl import settings_edit, tables, workfolder
from hubctl.layout import Layout
from hubctl.oldsite import oldhub
from hubctl.settings_errors import dotted

if TYPE_CHECKING:
    from hubctl.oldsite.plan import Plan


def migrate(
    prefix: Annotated[
        Path, typer.Option("--from", help="The environment that the old hub was installed in.", metavar="DIR")
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="Its jupyterhub_config.py, where that is in no usual place.", metavar="FILE"),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; both hubs have to be stopped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Move in from a hub that was made by hand: show what of it this hub takes over, and what needs a person.

    Without --apply nothing is changed. Settings go to hub.yaml, users to the database, key and certificate to their
    place; what was there before is kept in a backup. The old hub's files are only read.

    Example: hubctl migrate --from /opt/miniconda3/envs/old
    """
    from hubctl.oldsite import apply as applying
    from hubctl.oldsite import plan

    layout = Layout.current()
    folder = workfolder.made(layout, "migrate", "Nothing was carried over")
    with folder as work, settings_edit.alone(layout.settings):  # nobody changes hub.yaml meanwhile
        old = oldhub.find(prefix, config)
        found = plan.make(old, layout, work)
        if not as_json:
            _show(found, layout)
        before = None
        if apply and not found.is_done:
            applying.refuse_running(found, layout)
            before = applying.carry_out(found, layout, work)
    if as_json:
        print(json.dumps(_document(found, before), indent=2))
    else:
        _say_end(found, before)


def _say_end(found: Plan, before: Path | None) -> None:
    if found.is_done:
        print("All of it is here already; nothing was changed.")
    elif before is None:
        print("Nothing was changed yet; with --apply it is.")
    else:
        lacking = " (without a database: there was none here)" if found.database else ""
        print(f"Carried over. What was here before: {before}{lacking}")
        print("Now `hubctl setup` makes the host fit, `hubctl doctor` looks for what is wrong, `hubctl start` starts.")


def _document(found: Plan, before: Path | None) -> dict[str, Any]:
    """For programs: what ``_show`` and ``_say_end`` tell people."""
    database, pair, running = found.database, found.pair, found.old.running
    return {
        "config": str(found.old.config.path),
        "state": "done" if found.is_done else "planned" if before is None else "applied",
        "before": before and str(before),
        "settings": [
            {
                "line": row.carried.line,
                "old": row.carried.old,
                "key": dotted(row.carried.where),
                "value": row.carried.value,
                "instead": row.instead,
                "is_new": row.is_new,
            }
            for row in found.rows
        ],
        "database": database
        and {
            "file": str(database.source),
            "users": sorted(database.users),
            "admins": sorted(name for name, is_admin in database.users.items() if is_admin),
        },
        "tls": pair and {"key": str(pair.key), "cert": str(pair.cert)},
        "stays": found.stays,
        "running": running and {"pid": running.pid, "stop": found.old.how_to_stop()},
        "persons": [dataclasses.asdict(person) for person in found.persons],
        "unneeded": sorted(set(found.unneeded)),
    }


def _show(found: Plan, layout: Layout) -> None:
    from hubctl.oldsite import plan

    print(f"The old hub: {found.old.config.path}\n")
    rows = [(f"line {row.carried.line}", row.carried.old, plan.setting(row)) for row in found.rows]
    if found.database:
        admins = sum(found.database.users.values())
        users = f"{len(found.database.users)} users, {admins} of them administrators"
        rows.append(("database", f"{found.database.source}: {users}", str(layout.database)))
    if found.pair:
        rows.append(("TLS", f"{found.pair.key}, {found.pair.cert}", "key and certificate of this hub"))
    print("Carried over:" if rows else "Nothing is to be carried over.")
    tables.show(("where", "old hub", "here"), rows)
    for text in found.stays:
        print(f"\n{text}")
    if found.old.running:
        print(f"\nThe old hub runs (process {found.old.running.pid}): {found.old.how_to_stop()}, before --apply")
    if found.persons:
        print("\nNeeds a person:")
    for person in found.persons:
        where = f"line {person.line}, " if person.line else ""
        print(f"  {where}{person.what}: {person.do}")
    if found.unneeded:
        print(f"\nThis hub has its own of: {', '.join(sorted(set(found.unneeded)))}")
    print()
