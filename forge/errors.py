"""Errors meant for the person at the terminal."""

import re

_CREDENTIALS = re.compile(r"(?<=://)[^\s/]+@")


def redacted(text: str) -> str:
    """The text, whatever a tool has put into it, without the users and passwords of the addresses in it."""
    return _CREDENTIALS.sub("****@", text)


class ForgeError(Exception):
    """What happened, to which thing, and what to do about it.

    The command line prints it without a traceback and exits with ``exit_code``. No address in it shows a password.

    Args:
        what: one sentence that names the thing it happened to.
        do: what the reader can do now; empty when ``what`` already says it.
    """

    exit_code = 1

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(redacted(what))
        self.what = redacted(what)
        self.do = redacted(do)

    def __str__(self) -> str:
        return f"{self.what}\n  {self.do}" if self.do else self.what
