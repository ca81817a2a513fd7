"""``hubctl``: the administrator's command, put together of its parts."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hubctl import (
    __version__,
    admin_commands,
    backup_commands,
    cert_commands,
    channel_commands,
    config_commands,
    hub_commands,
    image_commands,
    onestep,
    revisions,
    uninstall,
    upgrade,
    user_commands,
    verify,
)
from hubctl.doctor.command import doctor
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.metrics import metrics
from hubctl.oldsite.command import migrate
from hubctl.reload import reload
from hubctl.rollback import rollback
from hubctl.status_command import status

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, one line says why, or the answer to a question was no; 2 wrong usage; "
    "3 (status) the hub does not run, (setup --check) not everything could be looked at; "
    "5 (setup, rollback, cert self-signed) a step on the host failed; 130 ctrl-C. "
    "`uninstall` has those of the installer."
)


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """A mistake on the command line is an error as any other: Typer would take four lines for it, or a box."""
    try:
        yield
    except typer.TyperException as mistake:
        said = mistake.format_message()
        if "\n" in said:
            raise  # the help, where no command was given
        where = getattr(mistake, "ctx", None)
        end = "" if said.endswith((".", "?")) else "."
        command = where.command_path if where else "hubctl"
        print(f"hubctl: {said}{end} `{command} --help` shows what there is", file=sys.stderr)
        raise typer.Exit(mistake.exit_code) from None


class _Commands(TyperGroup):
    """All commands. Their mistakes are found when the first word is looked at, and when the others are."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        with _in_one_line():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _in_one_line():
            return super().invoke(ctx)


def _app(text: str) -> typer.Typer:
    return typer.Typer(
        cls=_Commands,
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
app.command()(hub_commands.setup)
app.command()(hub_commands.start)
app.command()(hub_commands.stop)
app.command()(hub_commands.restart)
app.command()(status)
app.command()(hub_commands.logs)


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
