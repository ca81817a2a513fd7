"""What a recipe is built from, as its ``extra.hubforge`` says: one entry of one lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge.errors import ForgeError

REGISTRIES = ("debian", "npm", "pypi")


@dataclass(frozen=True)
class Origin:
    """An entry of a lock: the registry whose lock it is, and the name there."""

    registry: str
    name: str

    @classmethod
    def parse(cls, value: Mapping[str, str]) -> "Origin":
        """From a recipe's ``{debian: NAME}``, ``{pypi: NAME}`` or ``{npm: NAME}``.

        Raises:
            ForgeError: it is none of these.
        """
        if len(value) != 1 or not set(value) <= set(REGISTRIES):
            raise ForgeError(
                f"{dict(value)} names no source", "Write one of {debian: NAME}, {npm: NAME}, {pypi: NAME}."
            )
        return cls(*next(iter(value.items())))


@dataclass(frozen=True)
class Described:
    """What the lock says of an origin, without fetching: the upstream version, and a sha256 that decides the bytes."""

    version: str
    digest: str


@dataclass(frozen=True)
class Staged(Described):
    """An origin laid out below ``folder``: files under ``upstream/``, patches under ``debian-patches/``.

    ``date`` is the newest date of what is in them, in seconds since 1970.
    """

    folder: Path
    date: int
