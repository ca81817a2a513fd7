"""The compiler's wrapper: what reaches zig. A script that prints its arguments stands in for zig itself."""

import os
import subprocess
from pathlib import Path

import pytest

from forge.paths import RECIPES

WRAPPERS = RECIPES / "zig_linux-64"


@pytest.fixture
def zig(tmp_path: Path) -> Path:
    path = tmp_path / "zig"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    path.chmod(0o755)
    return path


def call(zig: Path, *arguments: str, name: str = "zcc") -> list[str]:
    wrapper = zig.parent / name
    if not wrapper.exists():
        wrapper.symlink_to(WRAPPERS / "zcc")
    environment = {
        "PATH": os.environ["PATH"],
        "ZIG": str(zig),
        "SRC_DIR": "/build/work",
        "PREFIX": "/build/prefix",
        "PKG_NAME": "it",
    }
    done = subprocess.run(
        [wrapper, *arguments], env=environment, cwd=zig.parent, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def test_everything_is_compiled_for_the_floor_and_without_this_builds_paths(zig: Path) -> None:
    seen = call(zig, "-c", "it.c")
    assert seen[:3] == ["cc", "-target", "x86_64-linux-gnu.2.28"]
    assert "-ffile-prefix-map=/build/work=/usr/src/it" in seen
    assert "-ffile-prefix-map=/build/prefix=/usr" in seen
    assert seen[-2:] == ["-c", "it.c"]


def test_only_a_link_is_stripped(zig: Path) -> None:
    assert "-Wl,--strip-all" in call(zig, "it.o", "-o", "it")
    assert "-Wl,--strip-all" not in call(zig, "-c", "it.c")


def test_the_same_script_is_the_compiler_for_cxx(zig: Path) -> None:
    assert call(zig, "it.cc", name="z++")[0] == "c++"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["-Wl,-soname", "-Wl,libit.so.1"], ["-Wl,-soname,libit.so.1"]),
        (["-Wl,--version-script", "-Wl,it.map"], ["-Wl,--version-script,it.map"]),
        (["-Wl,-h,libit.so.1"], ["-Wl,-soname,libit.so.1"]),
        (["-Wl,-stats,-z,relro"], ["-Wl,-z,relro"]),
        (["-Wl,--enable-new-dtags"], []),
        (["-DNAME=two words"], ["-DNAME=two words"]),
    ],
)
def test_linker_options_are_said_in_zigs_words(zig: Path, given: list[str], passed: list[str]) -> None:
    plain = call(zig, "it.o")
    assert call(zig, "it.o", *given) == [*plain, *passed]


def test_a_relocatable_object_with_a_librarys_name_is_linked_as_an_object(zig: Path) -> None:
    header = bytearray(64)
    header[:4], header[16] = b"\x7fELF", 1
    (zig.parent / "object.so").write_bytes(header)
    header[16] = 3
    (zig.parent / "library.so").write_bytes(header)
    assert call(zig, "object.so", "library.so")[-2:] == ["object.so.o", "library.so"]


def test_without_zig_it_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run([WRAPPERS / "zcc", "-c", "it.c"], env={"PATH": os.environ["PATH"]}, capture_output=True)
    assert done.returncode != 0
    assert b"ZIG: names the zig binary" in done.stderr
