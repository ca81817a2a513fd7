"""What the ELF checker finds, in files that the system's compiler makes on the spot."""

import subprocess
from pathlib import Path

import pytest

from forge import condapkg, elf
from forge.errors import ForgeError
from forge.symbols import MAGIC

OLD = "int twice(int number) { return 2 * number; }"
NEW = "#include <pthread.h>\nint start(pthread_t *t, void *(*f)(void *)) { return pthread_create(t, 0, f, 0); }"


def library(folder: Path, source: str, *flags: str) -> bytes:
    (folder / "it.c").write_text(source)
    command = ["gcc", "-shared", "-fPIC", "it.c", "-o", "libit.so", *flags]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "libit.so").read_bytes()


def package(folder: Path, data: bytes) -> Path:
    index = condapkg.Index(name="it", version="1", build="0", subdir="linux-64")
    return condapkg.write(folder / "channel", index, [condapkg.Member("lib/libit.so", data)], epoch=0)


def test_a_library_for_every_server_has_no_problems(tmp_path: Path) -> None:
    data = library(tmp_path, OLD, "-Wl,-rpath,$ORIGIN/../lib")
    assert elf.problems(package(tmp_path, data)) == []


def test_a_newer_glibc_is_named(tmp_path: Path) -> None:
    data = library(tmp_path, NEW)
    (problem,) = elf.problems(package(tmp_path, data))
    assert problem == "it-1-0.conda: lib/libit.so needs GLIBC_2.34, promised is 2.28"


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_an_absolute_rpath_is_named_in_both_forms(tmp_path: Path, tags: str) -> None:
    data = library(tmp_path, OLD, f"-Wl,{tags},-rpath,$ORIGIN/../lib:/home/builder/lib")
    (problem,) = elf.problems(package(tmp_path, data))
    assert problem.endswith("lib/libit.so searches libraries in /home/builder/lib")


def test_a_build_path_is_found_in_any_file(tmp_path: Path) -> None:
    path = package(tmp_path, b"compiled in /home/builder/work")
    (problem,) = elf.problems(path, ["/home/builder/"])
    assert "lib/libit.so holds the path /home/builder/" in problem


def test_a_damaged_elf_file_is_an_error_and_not_a_pass(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="can't be read"):
        elf.inspect(MAGIC + b"\x02" * 20)


def test_what_a_library_needs_is_read(tmp_path: Path) -> None:
    found = elf.inspect(library(tmp_path, OLD, "-Wl,--no-as-needed", "-lm"))
    assert "libm.so.6" in found.needed
