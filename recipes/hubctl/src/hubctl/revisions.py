"""``hubctl history``: conda's revisions of the hub's environment."""

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hubctl import layout as places
from hubctl import tables
from hubctl.condacommand import conda
from hubctl.errors import HubError
from hubctl.upgrading.surroundings import surroundings

METAPACKAGE = re.compile(r"hubforge-(\d[^-]*)-")
"""The package that is the release, as conda's list of revisions names it."""

JUPYTERHUB = re.compile(r"(jupyterhub-\d[^-]*-[^-]+)-")
"""JupyterHub's, with its version and its build."""


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
        jupyterhub: its JupyterHub, as ``name-version-build``; None where there is none.
    """

    number: int
    date: str
    release: str | None
    added: int
    removed: int
    changed: int
    jupyterhub: str | None = None


def history(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the states that the hub's environment has had: when, which release, how many packages changed.

    Example: hubctl history
    """
    found = read(places.environment())
    if as_json:
        print(json.dumps([dataclasses.asdict(revision) for revision in found], indent=2))
        return
    rows = [(str(revision.number), revision.date, revision.release or "-", _words(revision)) for revision in found]
    tables.show(("revision", "since", "release", "packages"), rows)


def read(environment: Path) -> list[Revision]:
    """The revisions of an environment, the oldest first.

    Raises:
        HubError: conda can't tell them.
    """
    command = conda("list", "--revisions", "--json", prefix=environment)
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True)
    if done.returncode:
        raise HubError(f"conda can't tell the revisions of {environment}", done.stderr.strip() or done.stdout.strip())
    return list(_revisions(json.loads(done.stdout)))


STATE = """\
import json, sys
from conda.history import History
print(json.dumps(sorted(History(sys.argv[1]).get_state(int(sys.argv[2])))))
"""
"""For a Python with conda, as ``channel::name-version-build`` each."""


def packages(environment: Path, number: int) -> list[str]:
    """``name-version-build`` of each package that revision ``number`` had.

    Raises:
        HubError: conda can't tell them.
    """
    command = [str(places.base_program("python")), "-I", "-B", "-c", STATE, str(environment), str(number)]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True)
    if done.returncode:
        raise HubError(f"conda can't tell the packages of revision {number}", done.stderr.strip()[-1000:])
    return sorted(name.rpartition("::")[2] for name in json.loads(done.stdout))


def with_packages(found: Sequence[Revision], number: int) -> int:
    """The revision that conda can go back to for the packages of revision ``number``.

    A killed transaction that was gone back from leaves a revision in which nothing has changed. conda takes such a one
    for an environment without packages, and `install --revision` would remove all of them.
    """
    changed = [revision.number for revision in found if revision.added or revision.removed or revision.changed]
    return max((known for known in changed if known <= number), default=number)


def _revisions(events: Sequence[dict[str, Any]]) -> Iterator[Revision]:
    """conda's list; the release of a revision is the last metapackage that came before, and so is its JupyterHub."""
    release = jupyterhub = None
    for event in events:
        changed = [*event["upgrade"], *event["downgrade"]]
        if any(METAPACKAGE.match(name) for name in event["remove"]):
            release = None
        if any(JUPYTERHUB.match(name) for name in event["remove"]):
            jupyterhub = None
        for name in [*event["install"], *(change["new"] for change in changed)]:
            if match := METAPACKAGE.match(name):
                release = match[1]
            elif match := JUPYTERHUB.match(name):
                jupyterhub = match[1]
        counts = len(event["install"]), len(event["remove"]), len(changed)
        yield Revision(event["rev"], event["date"], release, *counts, jupyterhub)


def _words(revision: Revision) -> str:
    counts = {"changed": revision.changed, "added": revision.added, "removed": revision.removed}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none changed"
