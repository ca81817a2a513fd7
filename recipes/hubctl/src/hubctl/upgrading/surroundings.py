"""What programs of the installation are started with."""

import os


def surroundings() -> dict[str, str]:
    """This program's environment but for PYTHON* variables: they are the caller's, and for another Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
