"""``hubctl doctor``."""

import dataclasses
import json
from typing import Annotated

import typer

from hubctl.doctor.finding import Finding, State
from hubctl.layout import Layout

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAULT: "red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Look for what is wrong on this server, and say how to mend it. Changes nothing. Run it as the hub's user: root.

    Exits with 1 where there is a fault; warnings are none.

    Example: hubctl doctor
    """
    from hubctl.doctor.examination import examine  # needs JupyterHub's packages, which the other commands need not load

    told = []
    for name, finding in examine(Layout.current()):
        told.append({"name": name, **dataclasses.asdict(finding)})
        if not as_json:
            say(name, finding)
    if as_json:
        print(json.dumps(told, indent=2))
    if any(entry["state"] == State.FAULT for entry in told):
        raise typer.Exit(1)


def say(name: str, finding: Finding) -> None:
    """One line for what was found, one for the mend. Colours come on a terminal only."""
    lines = finding.found.splitlines()
    typer.echo(f"{typer.style(f'{finding.state:<8}', _COLOURS[finding.state])} {name}: {lines[0]}")
    for line in [*lines[1:], *([f"mend: {finding.mend}"] if finding.mend else [])]:
        typer.echo(f"{'':<8} {line}")
