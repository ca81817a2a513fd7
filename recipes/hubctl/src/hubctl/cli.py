"""``hubctl``: the administrator's command."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from hubctl import (
    __version__,
    admin_commands,
    api,
    backup_commands,
    cert_commands,
    certificate,
    channel_commands,
    config_commands,
    daemon,
    image_commands,
    logfile,
    onestep,
    revisions,
    serverlog,
    systemd,
    tables,
    uninstall,
    upgrade,
    user_commands,
    verify,
)
from hubctl import layout as places
from hubctl import settings as hub_settings
from hubctl import status as hub_status
from hubctl.daemon import AlreadyRunningError, Daemon
from hubctl.doctor.command import doctor
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.metrics import metrics
from hubctl.oldsite.command import migrate
from hubctl.processes import Process
from hubctl.reload import reload
from hubctl.rollback import rollback
from hubctl.settings_sections import Auth, Spawner
from hubctl.tickets import Ticket
from hubctl.units import say_memory

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, one line says why, or the answer to a question was no; 2 wrong usage; "
    "3 (status) the hub does not run, (setup --check) not everything could be looked at; "
    "5 (setup, rollback, cert self-signed) a step on the host failed; 130 ctrl-C. "
    "`uninstall` has those of the installer."
)
NOT_RUNNING = 3
"""As the Linux Standard Base has it for `status`."""


def _app(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        rich_markup_mode="rich" if sys.stdout.isatty() and sys.stderr.isatty() else None,
        pretty_exceptions_enable=False,
    )


app = _app(f"Sets up, starts, stops and shows the hub.\n\n{EXIT_CODES}\n\nExample: hubctl status")
app.add_typer(config_commands.app, name="config")
app.add_typer(admin_commands.app, name="admin")
app.add_typer(user_commands.app, name="user")
app.add_typer(cert_commands.app, name="cert")
app.add_typer(image_commands.app, name="image")
app.add_typer(channel_commands.app, name="channel")
app.command()(doctor)
app.command()(backup_commands.backup)
app.command()(backup_commands.restore)
app.command()(metrics)
app.command()(migrate)
app.command()(reload)
app.command()(revisions.history)
app.command()(rollback)
app.command()(uninstall.uninstall)
app.command()(upgrade.upgrade)
app.command()(verify.verify)


def main() -> None:
    """Runs the command line; a ``HubError`` becomes a message and exit code 1, ctrl-C one and 130."""
    try:
        app(prog_name="hubctl")
    except SystemExit as ended:
        _say_interrupted(ended)
        raise
    except OSError as error:  # a full or read-only disk, or a file that a command only looks at
        do = ": run this as root" if isinstance(error, PermissionError) else ""
        print(f"hubctl: {error.filename or 'failed'}: {error.strerror or error}{do}", file=sys.stderr)
        sys.exit(1)
    except HubError as error:
        print(f"hubctl: {error}", file=sys.stderr)
        sys.exit(1)


def _say_interrupted(ended: SystemExit) -> None:
    """What ctrl-C has left, where the command says it; Typer turns ctrl-C into an exit code without a word."""
    cause = ended.__context__.__cause__ if ended.__context__ else None
    if isinstance(cause, KeyboardInterrupt):
        line = "\n" if sys.stderr.isatty() else ""  # the terminal has written ^C
        print(f"{line}hubctl: interrupted{f': {cause}' if cause.args else ''}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hubctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    root: Annotated[
        Path | None, typer.Option(help="Work below this folder instead of /. Also: HUBFORGE_ROOT.", metavar="DIR")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    if root is not None:
        os.environ["HUBFORGE_ROOT"] = str(root.absolute())
    _finish(Layout.current())


def _finish(layout: Layout) -> None:
    """What a command was killed at comes first, so that no other one meets half of it."""
    try:
        finished = onestep.finish(layout)
    except OSError as error:
        what = f"An interrupted command can't be finished: {error.filename or layout.state}: {error.strerror}"
        raise HubError(what, "mend that, then any hubctl command finishes it") from None
    if finished:
        names = ", ".join(map(str, finished))
        print(f"hubctl: a command before this one was interrupted; it is finished now: {names}", file=sys.stderr)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show hub, proxy, users' servers, certificate, tickets, disk, versions. Exits with 3 when the hub does not run.

    With settings that are not valid it says whether the hub runs, and what is wrong with them.

    Example: hubctl status --json
    """
    layout = Layout.current()
    try:
        settings = hub_settings.load(layout.settings)
    except HubError:
        if not as_json:
            proxy = daemon.proxy_process(layout)
            _print_rows(_process_rows(hub_status.hub_pid(layout), proxy.pid if proxy else None))
        raise
    found = hub_status.gather(settings, layout)
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        _print_status(found)
    if not found.good:
        raise typer.Exit(NOT_RUNNING)


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
        ("login", found.auth),
        ("notebooks", found.spawner),
        ("versions", ", ".join(f"{name} {number}" for name, number in found.versions.items())),
    ]
    servers = [
        (entry.user, entry.name or "-", "ready" if entry.ready else "starting", entry.last_activity or "-")
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


@app.command()
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
