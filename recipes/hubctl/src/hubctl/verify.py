"""``hubctl verify``: whether what is installed is what the packages brought."""

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from hubctl import api
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl import status as hub_status
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.revisions import conda, surroundings

CHECK = """\
import json, os, sys
from conda.plugins.subcommands.doctor.health_checks import find_altered_packages, find_packages_with_missing_files
found = []
for prefix in sys.argv[1:]:
    missing = {(name, file) for name, files in find_packages_with_missing_files(prefix).items() for file in files}
    gone = {(name, file) for name, file in missing if not os.path.islink(f"{prefix}/{file}")}
    found += [f"{prefix}/{file} of {name} is missing" for name, file in gone]
    found += [f"{prefix}/{file} of {name} leads nowhere" for name, file in missing - gone]
    altered = find_altered_packages(prefix)
    found += [f"{prefix}/{file} of {name} was altered" for name, files in altered.items() for file in files]
print(json.dumps(sorted(found)))
"""
"""For base's Python: what `conda doctor` finds, by file."""


def verify(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check every file of base and of the hub's environment against conda's records, and that a hub that runs answers.

    Exits with 1 when a file is missing or was altered, or the hub does not answer.

    Example: hubctl verify
    """
    files = wrong_files()
    hub = _hub()
    if as_json:
        print(json.dumps({"files": files, "hub": hub}, indent=2))
    else:
        print("\n".join(files or ["Every file is as its package has it."]))
        print({"answers": "The hub answers.", "silent": "The hub does not answer.", "stopped": "No hub runs."}[hub])
        if files:
            print("The installer of this release puts them back: bash hub-installer.sh -f")
    if files or hub == "silent":
        raise typer.Exit(1)


def wrong_files() -> list[str]:
    """A line each for what is not as its package has it.

    Raises:
        HubError: conda can't check it.
    """
    python = Path(conda("doctor")[0]).with_name("python")
    command = [str(python), "-I", "-B", "-c", CHECK, str(places.base_prefix()), str(places.environment())]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True)
    if done.returncode:
        raise HubError("conda can't check the files", (done.stderr.strip().splitlines() or ["it says no reason"])[-1])
    found: list[str] = json.loads(done.stdout)
    return found


def _hub() -> str:
    """``answers``, ``silent``, or ``stopped``."""
    layout = Layout.current()
    if hub_status.hub_pid(layout) is None:
        return "stopped"
    return "answers" if api.healthy(hub_settings.load(layout.settings), layout) else "silent"
