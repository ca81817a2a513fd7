"""The machine that packages are made for: linux x86_64, CPython, glibc from 2.28 on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

GLIBC_FLOOR = (2, 28)
"""The oldest glibc of a supported server; no wheel may need a newer one."""

_LEGACY_PLATFORMS = {"manylinux1_x86_64": (2, 5), "manylinux2010_x86_64": (2, 12), "manylinux2014_x86_64": (2, 17)}


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
        series, platforms = (3, self.minor), list(_platforms())
        native = cpython_tags(series, abis=[self.abi], platforms=platforms)
        return frozenset(native) | frozenset(compatible_tags(series, f"cp3{self.minor}", platforms))


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
    return _LEGACY_PLATFORMS.get(platform)


def _platforms() -> Iterator[str]:
    major, newest = GLIBC_FLOOR
    yield from (f"manylinux_{major}_{minor}_x86_64" for minor in range(newest, 4, -1))
    yield from _LEGACY_PLATFORMS
