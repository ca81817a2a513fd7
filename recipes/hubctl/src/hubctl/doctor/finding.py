"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is: a fault keeps users from working, a warning will, or lets in who should stay out."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        found: what is there; names the file, the realm, the number.
        mend: what to do; empty where there is nothing to mend.
    """

    state: State
    found: str
    mend: str = ""


def ok(found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(State.OK, found)


def warning(found: str, mend: str) -> Finding:
    """The hub works, but should not be left like this."""
    return Finding(State.WARNING, found, mend)


def fault(found: str, mend: str) -> Finding:
    """Users can't log in, or can't work."""
    return Finding(State.FAULT, found, mend)
