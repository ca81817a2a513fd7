"""Wheels become conda packages: names, metadata, byte code, layout."""

from forge.wheels.convert import convert_all
from forge.wheels.sdist import from_sdist

__all__ = ["convert_all", "from_sdist"]
