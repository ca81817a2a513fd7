"""The machine that everything is made for: linux x86_64, CPython 3.13, glibc from 2.28 on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

SUBDIR: Final = "linux-64"
SUBDIRS: Final = (SUBDIR, "noarch")
"""The folders of a channel that the target installs from."""

PYTHON = (3, 13)
SERIES = "{}.{}".format(*PYTHON)

GLIBC_FLOOR = (2, 28)
"""The oldest glibc of a server (RHEL 8 and its kin): nothing may need a newer one."""

GLIBC = "{}.{}".format(*GLIBC_FLOOR)

_LEGACY_PLATFORMS = {(2, 5): "manylinux1_x86_64", (2, 12): "manylinux2010_x86_64", (2, 17): "manylinux2014_x86_64"}


@dataclass(frozen=True)
class Target:
    """``python`` is the full version of the CPython that will run the packages, such as ``3.13.5``."""

    python: str

    @property
    def series(self) -> str:
        """``3.13`` of ``3.13.5``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def minor(self) -> int:
        """13 of ``3.13.5``."""
        return Version(self.python).minor

    @property
    def abi(self) -> str:
        """``cp313``: the ABI tag of extension modules (PEP 425)."""
        return f"cp3{self.minor}"

    @property
    def cache_tag(self) -> str:
        """``cpython-313``: what byte code files carry in their name (PEP 3147)."""
        return f"cpython-3{self.minor}"

    @property
    def site_packages(self) -> str:
        """Relative to the prefix."""
        return f"lib/python{self.series}/site-packages"

    @property
    def python_pin(self) -> str:
        """The run dependency of what lies in this series' ``site-packages``."""
        return f"python >={self.series},<3.{self.minor + 1}.0a0"

    @property
    def markers(self) -> dict[str, str]:
        """The environment that markers are evaluated in (PEP 508), without ``extra``."""
        return marker_environment(self.python)

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """The wheel tags that run there (PEP 425, PEP 600)."""
        series = (3, self.minor)
        native = cpython_tags(series, abis=[self.abi], platforms=PLATFORMS)
        return frozenset(native) | frozenset(compatible_tags(series, f"cp3{self.minor}", PLATFORMS))


def marker_environment(python: str) -> dict[str, str]:
    """The environment of markers for a CPython of version ``python`` on the target's machine (PEP 508)."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }


def glibc_of(platform: str) -> tuple[int, int] | None:
    """The glibc that a platform tag promises to be content with (PEP 600 and its predecessors); None for others."""
    if match := re.fullmatch(r"manylinux_(\d+)_(\d+)_x86_64", platform):
        return int(match[1]), int(match[2])
    return next((glibc for glibc, legacy in _LEGACY_PLATFORMS.items() if legacy == platform), None)


def _platforms() -> Iterator[str]:
    major, newest = GLIBC_FLOOR
    for minor in range(newest, 4, -1):
        yield f"manylinux_{major}_{minor}_x86_64"
        if legacy := _LEGACY_PLATFORMS.get((major, minor)):
            yield legacy


PLATFORMS = list(_platforms())
"""The floor's wheels, best first (PEP 600); ``linux_x86_64`` promises no glibc at all and is not among them."""
