"""What an ELF file in a package may ask of a server, and may say about the machine that it was made on.

Sources: the ELF specification with the GNU extensions for symbol versions (``.gnu.version_r``), ld.so(8) for RPATH.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from forge import condapkg
from forge.errors import ForgeError
from forge.symbols import MAGIC
from forge.target import GLIBC_FLOOR

_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_STRINGS = {"DT_RPATH": "rpath", "DT_RUNPATH": "runpath", "DT_NEEDED": "needed"}
"""The entries of the dynamic section that are read, with the attributes that the library gives their values."""


@dataclass(frozen=True)
class Elf:
    """What matters of one ELF file.

    Attributes:
        glibc: the newest symbol version of glibc that it needs, as (2, 28); (0, 0) when it needs none.
        rpaths: the folders that it tells the loader to search.
        needed: the names of the libraries that it is linked with.
    """

    glibc: tuple[int, int]
    rpaths: tuple[str, ...]
    needed: tuple[str, ...]


def inspect(data: bytes) -> Elf:
    """Reads an ELF file.

    Raises:
        ForgeError: it is damaged.
    """
    strings: dict[str, list[str]] = {kind: [] for kind in _STRINGS}
    versions = [(0, 0)]
    try:
        for section in ELFFile(io.BytesIO(data)).iter_sections():
            if isinstance(section, DynamicSection):
                for tag in section.iter_tags():
                    if (kind := tag.entry.d_tag) in _STRINGS:
                        strings[kind].append(getattr(tag, _STRINGS[kind]))
            elif isinstance(section, GNUVerNeedSection):
                versions += _glibc_versions(section)
    except (ELFError, ValueError, KeyError) as error:
        raise ForgeError(f"an ELF file can't be read: {error}") from error
    rpaths = ":".join(strings["DT_RPATH"] + strings["DT_RUNPATH"]).split(":")
    return Elf(max(versions), tuple(path for path in rpaths if path), tuple(strings["DT_NEEDED"]))


def _glibc_versions(section: GNUVerNeedSection) -> Iterator[tuple[int, int]]:
    for _, symbols in section.iter_versions():
        for symbol in symbols:
            if match := _GLIBC.fullmatch(symbol.name):
                yield int(match[1]), int(match[2])


def problems(package: Path, build_paths: Iterable[str] = (), floor: tuple[int, int] = GLIBC_FLOOR) -> list[str]:
    """What keeps a package from running on every promised server, one line a finding; empty when nothing does.

    Looked for: a newer glibc than ``floor``, an RPATH that is not relative to the file itself, and a folder of the
    build machine in any file.

    Args:
        package: a ``.conda`` file.
        build_paths: folders that only exist where the package was built.

    Raises:
        ForgeError: the package or an ELF file in it is damaged.
    """
    found: list[str] = []
    leaks = [path.encode() for path in build_paths]
    for member in condapkg.read(package).members():
        data = member.data
        found += [f"{member.path} holds the path {leak.decode()}" for leak in leaks if leak in data]
        if data.startswith(MAGIC):
            found += [f"{member.path} {problem}" for problem in _elf_problems(inspect(data), floor)]
    return [f"{package.name}: {problem}" for problem in found]


def _elf_problems(elf: Elf, floor: tuple[int, int]) -> Iterator[str]:
    if elf.glibc > floor:
        yield f"needs GLIBC_{elf.glibc[0]}.{elf.glibc[1]}, promised is {floor[0]}.{floor[1]}"
    for rpath in elf.rpaths:
        if not rpath.startswith("$ORIGIN"):
            yield f"searches libraries in {rpath}"
