"""The hub as a service of systemd."""

import subprocess
from pathlib import Path

from hubctl.errors import HubError
from hubctl.layout import Layout

UNIT = "jupyterhub.service"


def runs_the_hub(layout: Layout) -> bool:
    """Whether systemd runs this server and has the hub's unit (sd_booted(3) looks at the same folder)."""
    return layout.is_server and Path("/run/systemd/system").is_dir() and layout.unit.exists()


def systemctl(verb: str) -> None:
    """``systemctl VERB jupyterhub.service``.

    Raises:
        HubError: it failed; systemctl's own words have been printed.
    """
    code = subprocess.run(["systemctl", verb, UNIT]).returncode
    if code:
        raise HubError(f"`systemctl {verb} {UNIT}` ended with exit code {code}", "`hubctl logs` shows why")


def main_process() -> int | None:
    """The pid of the unit's main process, when it runs."""
    command = ["systemctl", "show", "--property=MainPID", "--value", UNIT]
    pid = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return int(pid) if pid.isdigit() and pid != "0" else None


def journal(follow: bool, lines: int) -> list[str]:
    """The command that shows the unit's journal."""
    return ["journalctl", f"--unit={UNIT}", f"--lines={lines}", *(["--follow"] if follow else ["--no-pager"])]
