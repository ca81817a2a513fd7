"""Errors meant for the person at the terminal."""


class ForgeError(Exception):
    """What happened, to which thing, and what to do about it.

    The command line prints it without a traceback and exits with ``exit_code``.

    Args:
        what: one sentence that names the thing it happened to.
        do: what the reader can do now; empty when ``what`` already says it.
    """

    exit_code = 1

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.do = do

    def __str__(self) -> str:
        return f"{self.what}\n  {self.do}" if self.do else self.what
