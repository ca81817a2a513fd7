"""What single wheels get wrong for our servers, and what is done about it."""

from collections.abc import Mapping
from pathlib import Path

LEFT_OUT: Mapping[str, frozenset[str]] = {
    # Compiled for glibc 2.34, though the wheel is tagged for any platform. It serves `debugpy --pid` alone, which
    # needs gdb on the server too; debugging from JupyterLab does without.
    "debugpy": frozenset({"debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so"}),
}
"""Files of a project's wheel that are not packaged."""

_LICENSES = Path(__file__).with_name("licenses")


def licenses(project: str) -> dict[str, bytes]:
    """Licence texts that upstream leaves out of the wheel, by file name; ``licenses/PROJECT/`` holds them."""
    return {path.name: path.read_bytes() for path in sorted((_LICENSES / project).glob("*"))}
