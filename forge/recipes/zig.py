"""The compiler: the binary that the ``ziglang`` wheel carries."""

import importlib.metadata
import importlib.util
from pathlib import Path

from forge.errors import ForgeError

PACKAGE = "zig_linux-64"
"""The package of wrapper scripts that recipes see the compiler through."""


def binary() -> Path:
    """The compiler of this Python environment.

    Raises:
        ForgeError: the ``ziglang`` distribution is not installed.
    """
    spec = importlib.util.find_spec("ziglang")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise ForgeError("The compiler is missing: this Python has no ziglang", "Run forge through make.")
    return Path(places[0]) / "zig"


def distribution_version(name: str) -> str:
    """The version of an installed distribution.

    Raises:
        ForgeError: it is not installed.
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise ForgeError(f"This Python has no {name}", "Run forge through make.") from None
