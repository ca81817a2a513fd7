"""``hubctl history`` and ``hubctl rollback``: conda's revisions of the hub's environment, shown and gone back to."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hubctl import layout as places
from hubctl.errors import HubError
from hubctl.layout import Layout

METAPACKAGE = re.compile(r"hubforge-(\d[^-]*)-")
"""The package that is the release, as conda's list of revisions names it."""

ASK_FOR = "import sys; from conda.history import History; History(sys.argv[1]).write_specs(update_specs=sys.argv[2:])"
"""For base's Python: notes in conda's history what was asked for in the last revision."""


@dataclass(frozen=True)
class Revision:
    """One state of the environment.

    Attributes:
        number: conda's, from 0.
        date: when it was made, in the server's time.
        release: the release that it holds; None where the metapackage is gone.
        added: how many packages came, compared to the revision before.
        removed: how many went.
        changed: how many have another version or build.
    """

    number: int
    date: str
    release: str | None
    added: int
    removed: int
    changed: int


def history(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the states that the hub's environment has had: when, which release, how many packages changed.

    Example: hubctl history
    """
    found = read(places.environment())
    if as_json:
        print(json.dumps([dataclasses.asdict(revision) for revision in found], indent=2))
        return
    rows = [(str(revision.number), revision.date, revision.release or "-", _words(revision)) for revision in found]
    if not sys.stdout.isatty():
        print("\n".join("{} {} {} {}".format(*row) for row in rows))
        return
    table = Table("revision", "since", "release", "packages", box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def rollback(
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="One of `hubctl history`; the one before when left out.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Bring the hub's environment back to an earlier revision, from the package cache, without network.

    Afterwards the steps of `hubctl setup` are run, those of the release that is then there. A hub that runs goes on as
    it is until it is started again.

    Example: hubctl rollback --to 0
    """
    revision = _earlier(read(places.environment()), to)
    # From here on only what is loaded already: the environment's files change below this program.
    command = _conda("install", "--offline", "--revision", str(revision.number), *(["--yes"] if yes else []))
    if subprocess.run(command, env=_surroundings()).returncode:
        raise HubError("conda did not go back", "what it says above is the reason; its revisions are as before")
    _ask_for(revision)
    print(f"The environment is as in revision {revision.number}, release {revision.release or 'unknown'}.", flush=True)
    code = subprocess.run(_setup()).returncode
    if code:
        raise typer.Exit(code)
    print("A hub that runs takes it up with `hubctl stop` and `hubctl start`.")


def read(environment: Path) -> list[Revision]:
    """The revisions of an environment, the oldest first.

    Raises:
        HubError: conda can't tell them.
    """
    command = _conda("list", "--revisions", "--json")
    done = subprocess.run(command, env=_surroundings(), capture_output=True, text=True)
    if done.returncode:
        raise HubError(f"conda can't tell the revisions of {environment}", done.stderr.strip() or done.stdout.strip())
    return list(_revisions(json.loads(done.stdout)))


def _revisions(events: Sequence[dict[str, Any]]) -> Iterator[Revision]:
    """conda's list; the release of a revision is the last metapackage that came before."""
    release: str | None = None
    for event in events:
        changed = [*event["upgrade"], *event["downgrade"]]
        if any(METAPACKAGE.match(name) for name in event["remove"]):
            release = None
        for name in [*event["install"], *(change["new"] for change in changed)]:
            if match := METAPACKAGE.match(name):
                release = match[1]
        counts = len(event["install"]), len(event["remove"]), len(changed)
        yield Revision(event["rev"], event["date"], release, *counts)


def _ask_for(revision: Revision) -> None:
    """Notes which release is wanted: conda, which does not, would bring the newer one with the next package."""
    if not revision.release:
        return
    python, environment = places.base_prefix() / "bin" / "python", places.environment()
    command = [str(python), "-c", ASK_FOR, str(environment), f"hubforge {revision.release}"]
    if subprocess.run(command, env=_surroundings()).returncode:
        do = f"`conda install --prefix {environment} hubforge={revision.release}` does"
        raise HubError("The environment went back, but conda did not note which release is wanted", do)


def _earlier(found: Sequence[Revision], wanted: int | None) -> Revision:
    """The revision to go back to."""
    last = found[-1].number if found else 0
    number = last - 1 if wanted is None else wanted
    if last == 0 or number == last:
        raise HubError("There is no earlier revision" if last == 0 else f"This is revision {last} already")
    for revision in found:
        if revision.number == number:
            return revision
    raise HubError(f"There is no revision {number}", f"`hubctl history` shows those from 0 to {last}")


def _words(revision: Revision) -> str:
    counts = {"changed": revision.changed, "added": revision.added, "removed": revision.removed}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none changed"


def _conda(*arguments: str) -> list[str]:
    """base's conda, for the environment that this program runs from.

    Raises:
        HubError: there is none.
    """
    program = places.base_prefix() / "bin" / "conda"
    if not program.exists():
        raise HubError(f"{program} is not there", "this environment is not one of an installation with conda")
    verb, *rest = arguments
    return [str(program), verb, "--prefix", str(places.environment()), *rest]


def _surroundings() -> dict[str, str]:
    """What conda is started with: PYTHON* variables of the caller's are for another Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _setup() -> list[str]:
    """The steps of the release that is there now, which may have another Python than this program."""
    python, steps = places.environment() / "bin" / "python", places.shipped("post_install")
    root, prefix = str(Layout.current().root), str(places.base_prefix())
    return [str(python), "-I", "-B", str(steps), "--root", root, "--prefix", prefix]
