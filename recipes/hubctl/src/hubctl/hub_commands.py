"""``hubctl setup``, ``start``, ``stop``, ``restart``, ``logs``."""

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from hubctl import api, daemon, logfile, serverlog, systemd
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl import status as hub_status
from hubctl.daemon import AlreadyRunningError, Daemon
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings_sections import Auth, Spawner


def setup(
    check: Annotated[bool, typer.Option("--check", help="Only say what is not as it should be.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, with --check.")] = False,
    auth: Annotated[Auth | None, typer.Option(help="Who checks passwords, for a new hub.yaml.")] = None,
    spawner: Annotated[Spawner | None, typer.Option(help="Where notebooks run, for a new hub.yaml.")] = None,
) -> None:
    """Prepare the host: folders, certificate, secrets, settings, service. Changes only what is not as it should be.

    Exits with the code of the steps: 0 when everything is as it should be; with --check 1 when something is not, and 3
    when nothing is known to be amiss, but only root could look at all.

    Example: hubctl setup --check
    """
    if as_json and not check:
        raise typer.BadParameter("--json says what is not as it should be: give --check, too")
    layout = Layout.current()
    steps = places.shipped("post_install")
    if not steps.is_dir():
        raise HubError(f"{steps} is not there", "this environment's package hubctl is incomplete: install it again")
    arguments = ["--root", str(layout.root), "--prefix", str(places.base_prefix())]
    arguments += ["--check"] if check else []
    arguments += ["--json"] if as_json else []
    arguments += ["--auth", auth] if auth else []
    arguments += ["--spawner", spawner] if spawner else []
    raise typer.Exit(subprocess.run([sys.executable, "-I", "-B", str(steps), *arguments]).returncode)


def start(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in the foreground.")] = False,
) -> None:
    """Start the hub, wait until it answers, print its address.

    Where systemd has the hub's unit, through systemctl; else in the background, with a pid file and a log file.

    Example: hubctl start
    """
    layout = Layout.current()
    hub = Daemon(layout, hub_settings.load(layout.settings))
    if foreground:
        hub.run()
    try:
        if systemd.runs_the_hub(layout):
            systemd.start(hub.settings, layout)
            print(f"The hub was started by systemd: {api.public_url(hub.settings)}")
            return
        process = hub.start()
    except AlreadyRunningError as error:
        print(error)
        return
    print(f"The hub runs (process {process.pid}): {api.public_url(hub.settings)}")
    if hub.settings.auth == "shared-password":
        print(f"Log in with any user name; the password is in {layout.shared_password}")


def stop() -> None:
    """Stop the hub and its proxy. Users' containers go on; users' processes of `spawner: local` end with the hub.

    Example: hubctl stop
    """
    layout = Layout.current()
    try:
        if systemd.stop(layout):
            print("The hub was stopped by systemd.")
            return
        print("The hub was stopped." if daemon.stop(layout) else "The hub does not run.")
    except KeyboardInterrupt:
        left = "what was told to end may not have ended yet, `hubctl stop` finishes it"
        raise KeyboardInterrupt(left) from None


def restart() -> None:
    """Stop the hub and start it again. Settings that were changed count from then on.

    Users' containers go on; with `proxy_service: true` their connections do, too.

    Where it could not start again, that is said, and it runs on.

    Example: hubctl restart
    """
    layout = Layout.current()
    hub = Daemon(layout, hub_settings.load(layout.settings))
    hub.check(hub_status.hub_pid(layout))
    if systemd.runs_the_hub(layout) and not systemd.runs_beside(layout):
        systemd.restart(hub.settings, layout)
        print(f"The hub was restarted by systemd: {api.public_url(hub.settings)}")
        return
    stop()
    start()


def logs(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on showing what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 50,
    user: Annotated[str | None, typer.Option(help="What this user's containers say instead.", metavar="NAME")] = None,
) -> None:
    """Show the hub's and the proxy's log, or that of a user's servers.

    Example: hubctl logs -n 200 -f
    """
    layout = Layout.current()
    if user is not None:
        serverlog.show(hub_settings.load(layout.settings), user, follow, lines)
        return
    if (pid := hub_status.hub_pid(layout)) and (elsewhere := logfile.of_its_own(pid)):
        what = f"The hub that runs (process {pid}) writes to {elsewhere}"
        print(f"hubctl: {what}; what follows is of hubs before it", file=sys.stderr)
    if systemd.runs_the_hub(layout):
        command = systemd.journal(follow, lines)
    else:
        command = ["tail", f"--lines={lines}", *(["-F"] if follow else []), "--", str(daemon.log_path(layout))]
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and whatever it becomes would, too
    os.execvp(command[0], command)
