"""What refreshing the locks changed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Move:
    """A pin that changed; ``old`` is empty for a new one, ``new`` for one that is no longer needed."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name}: {self.old or 'new'} -> {self.new or 'dropped'}"


def moves(old: Mapping[str, str], new: Mapping[str, str]) -> list[Move]:
    """The difference of two locks, given as versions by name."""
    names = sorted({*old, *new})
    return [Move(n, old.get(n, ""), new.get(n, "")) for n in names if old.get(n) != new.get(n)]
