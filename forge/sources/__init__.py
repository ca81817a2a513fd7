"""Locked sources: what recipes and environments are made from, and how it gets here."""

from pathlib import Path

from forge.sources import debian
from forge.sources.origin import Described, Origin, Staged

__all__ = ["Described", "Origin", "Staged", "describe", "stage"]


def describe(origin: Origin) -> Described:
    """What the lock says of ``origin``; nothing is fetched."""
    pin = debian.pin_of(origin.name)
    return Described(pin.upstream, pin.digest)


def stage(origin: Origin, into: Path, frozen: bool = False) -> Staged:
    """Fetches ``origin`` and lays it out below the empty or missing folder ``into``."""
    pin = debian.stage(origin.name, into, frozen)
    return Staged(pin.upstream, pin.digest, into)
