"""Compiled code loses what debuggers read, and nothing else; on files that the system's compiler makes on the spot."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from forge import elf
from forge.symbols import MAGIC, without_symbols

SOURCE = "int twice(int number) { return 2 * number; }\nint main(void) { return twice(21); }\n"


def compiled(folder: Path, *flags: str) -> Path:
    (folder / "it.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "it.c", "-o", "it", *flags], cwd=folder, check=True)
    return folder / "it"


def sections(file: Path) -> str:
    """What ``readelf`` says; it warns of whatever is not in order."""
    done = subprocess.run(["readelf", "-SldW", file], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_a_program_without_symbols_is_smaller_and_runs(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    before = program.read_bytes()
    program.write_bytes(without_symbols(before))
    assert program.stat().st_size < len(before)
    assert subprocess.run([program]).returncode == 42
    assert not {".symtab", ".debug_info"} & {*sections(program).split()}


def test_a_library_without_symbols_is_loaded_and_says_the_same_of_what_it_needs(tmp_path: Path) -> None:
    library = compiled(tmp_path, "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/../lib")
    before = library.read_bytes()
    library.write_bytes(without_symbols(before))
    assert ctypes.CDLL(str(library)).twice(4) == 8
    assert elf.inspect(library.read_bytes()) == elf.inspect(before)


def test_what_is_mapped_stays_byte_for_byte(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    before = program.read_bytes()
    program.write_bytes(without_symbols(before))
    mapped = [line.split() for line in sections(program).splitlines() if line.strip().startswith("LOAD")]
    assert mapped
    for _, offset, _, _, size, *_ in mapped:
        start, end = int(offset, 16), int(offset, 16) + int(size, 16)
        ours, theirs = program.read_bytes()[start:end], before[start:end]
        if start == 0:  # the file's own header says where the table of sections is
            ours, theirs = ours[64:], theirs[64:]
        assert ours == theirs


def test_once_more_changes_nothing(tmp_path: Path) -> None:
    once = without_symbols(compiled(tmp_path).read_bytes())
    assert without_symbols(once) == once


def test_a_payload_behind_a_program_is_kept(tmp_path: Path) -> None:
    data = compiled(tmp_path).read_bytes() + b"what the program reads from its own file"
    assert without_symbols(data) == data


def test_a_section_that_no_debugger_reads_is_kept(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    (tmp_path / "payload").write_text("what the program reads from its own file")
    subprocess.run(["objcopy", "--add-section", f".payload={tmp_path / 'payload'}", program], check=True)
    data = program.read_bytes()
    assert without_symbols(data) == data


def test_an_object_file_keeps_the_symbols_that_a_linker_needs(tmp_path: Path) -> None:
    data = compiled(tmp_path, "-c").read_bytes()
    assert without_symbols(data) == data


def test_other_files_stay_as_they_are() -> None:
    assert without_symbols(b"#!/bin/sh\n") == b"#!/bin/sh\n"


@pytest.mark.parametrize("rest", [b"", b"\x02" * 20, b"\x02\x01\x01" + b"\xff" * 200])
def test_what_only_begins_like_a_program_stays_as_it_is(rest: bytes) -> None:
    assert without_symbols(MAGIC + rest) == MAGIC + rest


def test_a_cut_program_stays_as_it_is(tmp_path: Path) -> None:
    data = compiled(tmp_path).read_bytes()
    assert without_symbols(data[: len(data) // 2]) == data[: len(data) // 2]
