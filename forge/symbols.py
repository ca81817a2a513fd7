"""Programs and libraries without what only debuggers read: a third of what wheels hold as compiled code.

``strip`` would do it, but each version of it writes other bytes, and it is known to break libraries that ``auditwheel``
has changed. Here nothing that a process maps is moved or changed: a file ends earlier, that is all.

Source: the ELF specification (gABI), chapters "Sections" and "Program Header".
"""

import io
import struct
from collections.abc import Sequence

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

MAGIC = b"\x7fELF"
"""What every ELF file begins with."""

_DEBUGGERS_READ = (".symtab", ".strtab", ".shstrtab", ".debug_", ".gdb_index", ".comment", ".gnu.build.attributes")
"""Beginnings of the names of sections that go; ``.shstrtab``, the names themselves, is put behind what stays."""

_ALIGNMENT = 8
_HEADER_SHOFF, _HEADER_SHNUM, _SECTION_OFFSET = 0x28, 0x3C, 0x18
"""Where the fields that change stand in ``Elf64_Ehdr`` and ``Elf64_Shdr``; ``e_shstrndx`` follows ``e_shnum``."""


def without_symbols(data: bytes) -> bytes:
    """A file as a package holds it: an ELF program or library loses its symbol table and debug sections.

    Anything else comes back as it is; so does a program with something of its own behind what is mapped (a payload,
    notes of probes), one whose mapped part comes last, as ``patchelf`` leaves it, and what only begins like one.
    """
    if not data.startswith(MAGIC):
        return data
    try:
        elf = ELFFile(io.BytesIO(data))
        if elf.elfclass != 64 or not elf.little_endian or elf["e_type"] not in ("ET_DYN", "ET_EXEC"):
            return data
        sections = list(elf.iter_sections())
        end = max((segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()), default=len(data))
        kept = [section for section in sections if not _goes(section, end)]
        nothing_else = all(_end(section) <= end for section in kept) and len(data) <= _known_end(elf, sections)
        if not nothing_else or kept != sections[: len(kept)]:
            return data
        shorter = _cut(data, elf, end, len(kept))
    except (ELFError, ValueError, struct.error):  # a project's test data may be damaged on purpose
        return data
    return min(data, shorter, key=len)


def _goes(section: Section, end: int) -> bool:
    unmapped = not section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_offset"] >= end
    return unmapped and section.name.startswith(_DEBUGGERS_READ)


def _end(section: Section) -> int:
    return 0 if section["sh_type"] in ("SHT_NULL", "SHT_NOBITS") else section["sh_offset"] + section["sh_size"]


def _known_end(elf: ELFFile, sections: Sequence[Section]) -> int:
    table = elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"]
    return max(table, *map(_end, sections)) if sections else 0


def _cut(data: bytes, elf: ELFFile, end: int, kept: int) -> bytes:
    """The first ``end`` bytes, the sections' names, and the headers of the first ``kept`` sections and of the names."""
    first, size = elf["e_shoff"], elf["e_shentsize"]
    names = elf.get_section(elf["e_shstrndx"])
    table = data[first : first + kept * size]
    names_header = bytearray(data[first + elf["e_shstrndx"] * size :][:size])
    cut = bytearray(data[:end])
    _align(cut)
    struct.pack_into("<Q", names_header, _SECTION_OFFSET, len(cut))
    cut += names.data()
    _align(cut)
    struct.pack_into("<Q", cut, _HEADER_SHOFF, len(cut))
    struct.pack_into("<HH", cut, _HEADER_SHNUM, kept + 1, kept)
    return bytes(cut + table + names_header)


def _align(data: bytearray) -> None:
    data.extend(bytes(-len(data) % _ALIGNMENT))
