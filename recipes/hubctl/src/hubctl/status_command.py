"""``hubctl status``, as people and programs read it."""

import dataclasses
import json
import sys
from typing import Annotated

import typer

from hubctl import certificate, tables
from hubctl import settings as hub_settings
from hubctl import status as hub_status
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.processes import Process
from hubctl.tickets import Ticket
from hubctl.units import say_memory, say_time

NOT_RUNNING = 3
"""The exit code, as the Linux Standard Base has it."""


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show hub, proxy, users' servers, certificate, tickets, disk, versions. Exits with 3 when the hub does not run.

    With settings that are not valid it says whether the hub runs, and what is wrong with them: --json in `error`, with
    null for what they would have said. Then it exits with 1.

    Example: hubctl status --json
    """
    layout = Layout.current()
    try:
        settings = hub_settings.load(layout.settings)
    except HubError as error:
        found = hub_status.without_settings(error, layout)
        if as_json:
            _print_json(found)
        else:
            _print_rows(_process_rows(found.hub_pid, found.proxy_pid))
        raise
    found = hub_status.gather(settings, layout)
    if as_json:
        _print_json(found)
    else:
        _print_status(found)
    if not found.good:
        raise typer.Exit(NOT_RUNNING)


def _print_json(found: hub_status.Status) -> None:
    print(json.dumps(dataclasses.asdict(found), indent=2))


def _ticket_words(tickets: list[Ticket]) -> str:
    valid = sum(ticket.valid for ticket in tickets)
    return f"{valid} valid" + (f", {len(tickets) - valid} over" if valid < len(tickets) else "")


def _print_status(found: hub_status.Status) -> None:
    days = found.certificate_days
    rows = [
        *_process_rows(found.hub_pid, found.proxy_pid),
        ("address", f"{found.url} {'answers' if found.answers else 'does not answer'}"),
        ("servers", "can't be asked" if found.servers is None else str(len(found.servers))),
        ("certificate", "is not there" if days is None else certificate.words(days)),
        *([] if found.tickets is None else [("tickets", _ticket_words(found.tickets))]),
        *(("disk", f"{space.path} has {say_memory(space.free)} free") for space in found.disk),
        ("login", str(found.auth)),
        ("notebooks", str(found.spawner)),
        ("versions", ", ".join(f"{name} {number}" for name, number in found.versions.items())),
    ]
    servers = [
        (
            entry.user,
            entry.name or "-",
            "ready" if entry.ready else "starting",
            say_time(entry.last_activity) if entry.last_activity else "-",
        )
        for entry in found.servers or []
    ]
    _print_rows(rows)
    if not sys.stdout.isatty():
        print("".join("server: {} {} {} {}\n".format(*row) for row in servers), end="")
    elif servers:
        tables.show(("user", "server", "state", "last activity"), servers)


def _process_rows(hub: int | None, proxy: int | None) -> list[tuple[str, str]]:
    """Whether they run, and since when."""
    found = [(name, Process.of(pid) if pid else None) for name, pid in (("hub", hub), ("proxy", proxy))]
    return [
        (name, f"runs (process {process.pid}) since {process.since:%Y-%m-%d %H:%M}" if process else "does not run")
        for name, process in found
    ]


def _print_rows(rows: list[tuple[str, str]]) -> None:
    if sys.stdout.isatty():
        tables.show((), rows)
    else:
        print("\n".join(f"{name}: {value}" for name, value in rows))
