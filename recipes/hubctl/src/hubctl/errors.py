"""Errors meant for the administrator at the terminal."""


class HubError(Exception):
    """What is wrong, and what to do about it.

    The command line prints it without a traceback and exits with 1.

    Args:
        what: what happened, naming the thing it happened to.
        do: what the reader can do now; empty when ``what`` already says it.
    """

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.do = do

    def __str__(self) -> str:
        if not self.do:
            return self.what
        return f"{self.what}\n  {self.do}" if "\n" in self.what else f"{self.what}: {self.do}"
