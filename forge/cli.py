"""The command line of the build tool: one command an arrow of the data's way."""

import sys
from typing import Annotated, NoReturn

import typer

from forge import disk, interruption
from forge.errors import ForgeError
from forge.progress import say

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Frozen = Annotated[bool, typer.Option("--frozen", help="Refuse a locked source that the mirror no longer holds.")]


@app.command()
def lock(name: Annotated[str, typer.Argument(help="One package or environment; all when left out.")] = "") -> None:
    """Refresh the locks of the sources."""
    from forge import sources

    sources.lock(name or None)


@app.command()
def channel(frozen: Frozen = False) -> None:
    """Build from the locked sources, and add the packages to dist/channel, where nothing is ever rewritten."""
    from forge import build

    build.make_channel(frozen=frozen)


@app.command()
def installer(frozen: Frozen = False) -> None:
    """Build dist/hub-installer.sh and the channel that it carries."""
    from forge import build

    print(build.make_installer(frozen=frozen))


@app.command("release")
def make_release(version: Annotated[str, typer.Argument(help="YYYY.MM")], frozen: Frozen = False) -> None:
    """Make a release of what is committed: its version, locks, notes, installer, and its place in dist/channel."""
    from forge import releasing

    print(releasing.make(version, frozen=frozen))


@app.command()
def reproduce() -> None:
    """Build twice, in two folders with cold caches, and say what differs; exit code 1 where something does."""
    from forge import reproduce

    reproduce.main()


@app.command()
def image(frozen: Frozen = False) -> None:
    """Build dist/hub-notebook-image.tar.zst, the users' image, and load it where Docker runs."""
    from forge import image

    print(image.make(frozen=frozen))


@app.command()
def hub() -> None:
    """Install into a scratch prefix without network, start the hub, print its address."""
    from forge import hub

    hub.start(hub.default_scratch())


@app.command()
def hub_stop() -> None:
    """Stop the hub that `hub` started."""
    from forge import hub

    hub.stop(hub.default_scratch())


@app.command()
def lint() -> None:
    """Check format, types and shell scripts."""
    from forge import checks

    checks.lint()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run every check and test; further arguments go to pytest and then run only what they select."""
    from forge import checks

    checks.test(context.args)


@app.command()
def bench(only: Annotated[str, typer.Argument(help="`hub`, `installer` or `builds`; all when left out.")] = "") -> None:
    """Measure what the README quotes, into bench/results.json."""
    from bench import run

    run.main(only)


def main() -> None:
    """Runs the command line: errors for people on standard error, exit code 1; 130 when it was interrupted."""
    try:
        app()
    except BaseException as error:
        if interruption.requested.is_set():
            interruption.end()
        _explain(error)


def _explain(error: BaseException) -> NoReturn:
    """Ends with one sentence for what the person at the terminal can mend; what is left is a fault of ours."""
    if isinstance(error, Exception) and disk.is_full(error) and not isinstance(error, disk.DiskFullError):
        error = disk.DiskFullError(_thing(error))
    if isinstance(error, PermissionError):
        error = ForgeError(f"{error.filename} can't be written or read by this user: {error.strerror}")
    if not isinstance(error, ForgeError):
        raise error
    say(f"error: {error}")
    sys.exit(error.exit_code)


def _thing(error: Exception) -> str:
    """What a full disk has stopped."""
    if isinstance(error, ForgeError):
        return error.what.partition("\n")[0].rstrip(":")
    return str(getattr(error, "filename", None) or "a file of the build")
