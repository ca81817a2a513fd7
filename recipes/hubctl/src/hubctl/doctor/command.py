"""``hubctl doctor``."""

import dataclasses
import json
import sys
from typing import Annotated

import typer

from hubctl import daemon
from hubctl.doctor import leftovers
from hubctl.doctor.finding import Finding, State
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.settings import load

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAULT: "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    end_leftovers: Annotated[
        bool, typer.Option("--end-leftovers", help="End what a dead hub has left; on a terminal that is asked.")
    ] = False,
) -> None:
    """Look for what is wrong on this server, and say how to mend it. Run it as the hub's user: root.

    Changes nothing, but for ending what a dead hub has left, where that is wanted. Users' servers go on.
    Exits with 1 where there is a fault; warnings are none.

    Example: hubctl doctor
    """
    from hubctl.doctor.examination import examine  # needs JupyterHub's packages, which the other commands need not load

    layout = Layout.current()
    told = []
    for name, finding in examine(layout):
        told.append({"name": name, **dataclasses.asdict(finding)})
        if not as_json:
            say(name, finding)
    if as_json:
        print(json.dumps(told, indent=2))
    if end_leftovers or (not as_json and sys.stdin.isatty() and sys.stdout.isatty()):
        _end_leftovers(layout, ask=not end_leftovers)
    if any(entry["state"] == State.FAULT for entry in told):
        raise typer.Exit(1)


def _end_leftovers(layout: Layout, ask: bool) -> None:
    try:
        left = leftovers.find(load(layout.settings), layout)
    except HubError:
        return  # the settings are not valid, which was told
    numbers = ", ".join(str(process.pid) for process in left)
    if left and (not ask or confirm(f"End what the dead hub has left (process {numbers})?")):
        daemon.end(left)
        typer.echo(f"ended: {numbers}", err=True)


def say(name: str, finding: Finding) -> None:
    """One line for what was found, one for the mend. Colours come on a terminal only."""
    lines = finding.found.splitlines()
    typer.echo(f"{typer.style(f'{finding.state:<8}', _COLOURS[finding.state])} {name}: {lines[0]}")
    for line in [*lines[1:], *([f"mend: {finding.mend}"] if finding.mend else [])]:
        typer.echo(f"{'':<8} {line}")
