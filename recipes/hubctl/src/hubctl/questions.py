"""Questions whose answer is yes or no."""

import sys

import typer

from hubctl.errors import HubError


def confirm(text: str, default: bool = False, abort: bool = False) -> bool:
    """As ``typer.confirm``, whose ctrl-C can't be told from a no: here it ends the command with 130, as anywhere else.

    Raises:
        HubError: nobody is there to answer, as in a job of cron.
        typer.Abort: ctrl-D, or with ``abort`` the answer was no. The exit code is 1.
        KeyboardInterrupt: ctrl-C.
    """
    try:
        return typer.confirm(text, default=default, abort=abort)
    except typer.Abort as given_up:
        if isinstance(given_up.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if isinstance(given_up.__context__, EOFError) and not sys.stdin.isatty():
            print(flush=True)  # the question stands there
            raise HubError("Nobody is there to answer this", "give --yes, or run it in a terminal") from None
        raise
