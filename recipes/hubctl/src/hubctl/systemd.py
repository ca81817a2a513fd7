"""The hub as a service of systemd."""

import subprocess
import time
from pathlib import Path

from hubctl import api, daemon
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.processes import Process
from hubctl.settings import Settings

UNIT = "jupyterhub.service"
PROXY_UNIT = "jupyterhub-proxy.service"
ENDED = frozenset({"auto-restart", "auto-restart-queued", "dead", "failed"})
"""SubStates of a unit whose process has ended; in some it waits to be started again."""


def runs_the_hub(layout: Layout) -> bool:
    """Whether systemd runs this server and has the hub's unit (sd_booted(3) looks at the same folder)."""
    return layout.is_server and Path("/run/systemd/system").is_dir() and layout.unit.exists()


def systemctl(verb: str, unit: str = UNIT) -> None:
    """``systemctl VERB UNIT``.

    Raises:
        HubError: it failed; systemctl's own words have been printed.
    """
    code = subprocess.run(["systemctl", verb, unit]).returncode
    if code:
        raise HubError(f"`systemctl {verb} {unit}` ended with exit code {code}", "`hubctl logs` shows why")


def reread(layout: Layout) -> None:
    """Tells systemd that unit files, or drop-ins, are other ones now.

    Raises:
        HubError: it failed; systemctl's own words have been printed.
    """
    if not layout.is_server or not Path("/run/systemd/system").is_dir():
        return
    if code := subprocess.run(["systemctl", "daemon-reload"]).returncode:
        raise HubError(f"`systemctl daemon-reload` ended with exit code {code}", "run it again, before `hubctl start`")


def start(settings: Settings, layout: Layout) -> None:
    """Starts the unit and waits until the hub answers, for which ``systemctl start`` does not.

    Raises:
        HubError: one runs that systemd has not started, the settings are wrong, or the hub ended or did not answer in
            time; its last words are in it.
    """
    if hub := runs_beside(layout):
        raise daemon.AlreadyRunningError(hub, api.public_url(settings))
    daemon.Daemon(layout, settings).check(main_process())
    _bring_up("start", settings, layout)


def restart(settings: Settings, layout: Layout) -> None:
    """Restarts the hub's unit alone and waits until the hub answers. The proxy's own service has users' connections,
    and is renewed by the hub's unit where its plan has changed.

    Raises:
        HubError: as in ``start``.
    """
    _bring_up("restart", settings, layout)


def runs_beside(layout: Layout) -> Process | None:
    """A hub of this root that runs, and that systemd has not started."""
    hub = daemon.running(layout)
    return hub if hub and hub.pid != main_process() else None


def _bring_up(verb: str, settings: Settings, layout: Layout) -> None:
    # who mends something, and tries again, is not to be refused for the starts before (StartLimitBurst= of the unit)
    subprocess.run(["systemctl", "reset-failed", UNIT], capture_output=True)
    try:
        systemctl(verb)
        _wait_ready(settings, layout)
    except KeyboardInterrupt:
        left = "systemd goes on with it, `hubctl status` shows how far it is, and `hubctl stop` ends the hub"
        raise KeyboardInterrupt(left) from None


def _wait_ready(settings: Settings, layout: Layout) -> None:
    deadline = time.monotonic() + api.READY_SECONDS
    while not api.healthy(settings, layout):
        if _has_ended():
            raise HubError(f"The hub ended.\n{_last_words()}", "systemd goes on trying; `hubctl stop` makes it give up")
        if time.monotonic() > deadline:
            raise HubError(f"The hub did not answer in {api.READY_SECONDS} s.\n{_last_words()}", "see `hubctl logs -f`")
        time.sleep(0.2)


def stop(layout: Layout) -> bool:
    """Stops the hub, then the proxy's own service, which the hub still speaks to when it ends.

    Returns:
        Whether anything had to be stopped.

    Raises:
        HubError: it failed; systemctl's own words have been printed.
    """
    units = (UNIT, PROXY_UNIT) if runs_the_hub(layout) else ()
    # one that has failed, and waits to be started again, has no process
    running = [unit for unit in units if _state(unit) not in {"dead", "failed"}]
    for unit in running:
        systemctl("stop", unit)
    return bool(running)


def _has_ended() -> bool:
    """Whether the unit has failed, or waits to be started again."""
    return _state(UNIT) in ENDED


def _state(unit: str) -> str:
    return show(unit, "SubState")["SubState"]


def show(unit: str, *properties: str) -> dict[str, str]:
    """Properties of a unit (``systemctl show``, org.freedesktop.systemd1(5)); empty where it is not known."""
    command = ["systemctl", "show", f"--property={','.join(properties)}", unit]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    return dict.fromkeys(properties, "") | dict(line.partition("=")[::2] for line in said.splitlines())


def _last_words() -> str:
    command = ["journalctl", f"--unit={UNIT}", "--lines=15", "--output=cat", "--no-pager"]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(f"  {line}" for line in lines)


def main_process(unit: str = UNIT) -> int | None:
    """The pid of a unit's main process, when it runs."""
    pid = show(unit, "MainPID")["MainPID"]
    return int(pid) if pid.isdigit() and pid != "0" else None


def journal(follow: bool, lines: int) -> list[str]:
    """The command that shows the units' journal."""
    units = [f"--unit={unit}" for unit in (UNIT, PROXY_UNIT)]
    return ["journalctl", *units, f"--lines={lines}", *(["--follow"] if follow else ["--no-pager"])]
