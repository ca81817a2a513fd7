"""The installer's static helper: packages and environments laid down, sha256, full disks, wrong calls."""

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from forge.installer import build_helper
from tests.unit.helper_program import FAILED, INFO, PATCHED, USAGE, add, archive, carrier, lay, unpack

pytest_plugins = ["tests.unit.helper_program"]


# ---- what packages hold ----


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_files_folders_links_and_long_names_arrive(helper: Path, tmp_path: Path, form: int) -> None:
    long = "/".join(["d" * 40] * (4 if form == tarfile.USTAR_FORMAT else 20)) + "/file"
    content = os.urandom(700_001)

    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "./bin/tool", b"#!/bin/sh\n", mode=0o4755, mtime=1_700_000_000)
        add(tar, "empty", type=tarfile.DIRTYPE)
        add(tar, long, content)
        add(tar, "lib/link", type=tarfile.SYMTYPE, linkname="../bin/tool")
        add(tar, "lib/hard", type=tarfile.LNKTYPE, linkname="bin/tool")
        add(tar, "nothing", b"")

    assert unpack(helper, tmp_path, archive(fill, form)).returncode == 0
    package = tmp_path / "out/pkgs/evil-1-0"
    assert (package / long).read_bytes() == content
    assert (package / "bin/tool").stat().st_mode & 0o7777 == 0o755, "no setuid"
    assert (package / "bin/tool").stat().st_mtime == 1_700_000_000
    assert (package / "bin/tool").samefile(package / "lib/hard")
    assert (package / "lib/link").readlink() == Path("../bin/tool")
    assert (package / "empty").is_dir()
    assert (package / "nothing").read_bytes() == b""


def test_a_complete_package_is_not_unpacked_again_and_a_changed_one_is(helper: Path, tmp_path: Path) -> None:
    def payload(content: bytes) -> bytes:
        return archive(lambda tar: add(tar, "file", content))

    file = tmp_path / "out/pkgs/evil-1-0/file"
    unpack(helper, tmp_path, payload(b"one"))
    first = file.stat().st_ino
    unpack(helper, tmp_path, payload(b"one"))
    assert file.stat().st_ino == first
    unpack(helper, tmp_path, payload(b"two"))
    assert file.read_bytes() == b"two"


def test_what_an_interrupted_run_left_is_replaced(helper: Path, tmp_path: Path) -> None:
    partial = tmp_path / "out/pkgs/.evil-1-0.partial/sub"
    partial.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("kept\n")
    (partial / "link").symlink_to(tmp_path / "outside")
    assert unpack(helper, tmp_path, archive(lambda tar: add(tar, "file", b"1"))).returncode == 0
    assert [path.name for path in (tmp_path / "out/pkgs").iterdir()] == ["evil-1-0"]
    assert (tmp_path / "outside/file").read_text() == "kept\n", "removal follows no link"


def test_a_full_disk_is_named(helper: Path, tmp_path: Path) -> None:
    target = tmp_path / "pkgs"
    target.mkdir()
    made = carrier(tmp_path, archive(lambda tar: add(tar, "file", b"x" * 9000)), INFO)
    words = [str(word) for word in (helper, "unpack", made.file, made.list, made.base, target, "title")]
    done = subprocess.run(["sh", "-c", f"ulimit -f 4; trap '' XFSZ; {' '.join(words)}"], capture_output=True, text=True)
    assert done.returncode == FAILED
    assert "evil-1-0" in done.stderr
    assert not (target / "evil-1-0").exists()


# ---- environments ----


def test_an_environment_is_links_into_the_cache_and_texts_that_are_filled_in(helper: Path, tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "lib/deep/file", type=tarfile.LNKTYPE, linkname="one-1-0/lib/file")
        add(tar, "lib/link", type=tarfile.SYMTYPE, linkname="deep/file")
        add(tar, "script", b"text /placehold", type=PATCHED, linkname="one-1-0/script")
        words = b"@hubforge:prefix@ @hubforge:cache@ @hubforge:command@ @hubforge:sha256 0@ @hubforge:size 0@\n"
        hashes = b"@hubforge:hash 1@ @hubforge:hash 0@ @hubforge:hash@"
        add(tar, "record", words + hashes, linkname="one-1-0/info/paths.json")

    done = lay(helper, tmp_path, fill)
    assert (done.returncode, done.stderr) == (0, "")
    prefix = tmp_path / "prefix"
    assert (prefix / "lib/link").samefile(tmp_path / "pkgs/one-1-0/lib/file")
    script = f"#!{prefix}/sh\n"
    assert (prefix / "script").read_text() == script
    made = f"{hashlib.sha256(script.encode()).hexdigest()} {len(script)}"
    hashes = " ".join(letter * 64 for letter in "bab")
    assert (prefix / "record").read_text() == f"{prefix} {tmp_path}/pkgs sh it -b {made}\n{hashes}"


# ---- hashes ----


@pytest.mark.parametrize("length", [1, 55, 56, 63, 64, 65, 119, 120, 128, 1_000_003])
@pytest.mark.parametrize("how", [[], ["portable"]], ids=["as the processor can", "portable"])
def test_sha256_is_sha256(helper: Path, tmp_path: Path, length: int, how: list[str]) -> None:
    data = os.urandom(length)
    (tmp_path / "data").write_bytes(data)
    done = subprocess.run([helper, "sha256", tmp_path / "data", *how], capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "words",
    [
        *([], ["verify"], ["unpack", "a", "b", "1", "c"], ["nonsense", "x"], ["cat", "f", "x", "1"], ["sync"]),
        ["link", "f", "c", "x", "t", "1"],
    ],
)
def test_wrong_calls_end_in_2(helper: Path, words: list[str]) -> None:
    assert subprocess.run([helper, *words], capture_output=True).returncode == USAGE


def test_sync_waits_for_the_disk_of_a_folder_and_names_one_that_is_not_there(helper: Path, tmp_path: Path) -> None:
    assert subprocess.run([helper, "sync", tmp_path]).returncode == 0
    done = subprocess.run([helper, "sync", tmp_path / "none"], capture_output=True, text=True)
    assert done.returncode == FAILED
    assert f"cannot open the folder {tmp_path}/none" in done.stderr


# ---- the program ----


def test_the_helper_needs_no_library(helper: Path) -> None:
    assert b"/lib64/ld-" not in helper.read_bytes()
    assert b"/lib/ld-musl" not in helper.read_bytes()


def test_the_helper_names_no_folder_of_the_build(helper: Path) -> None:
    data = helper.read_bytes()
    assert str(build_helper.SOURCES).encode() not in data
    assert str(Path.home() / ".cache").encode() not in data
