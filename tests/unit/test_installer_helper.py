"""The installer's static helper: what it checks, and what a hostile package cannot make it do."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from forge.installer import build_helper

DAMAGED, FAILED, USAGE = 3, 4, 2


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("helper") / "unpack"
    program.write_bytes(build_helper.helper().program.read_bytes())
    program.chmod(0o755)
    return program


def archive(fill: Callable[[tarfile.TarFile], None], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        fill(tar)
    return stream.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    """Adds an entry whose fields are set as they come, whatever a sane archive would hold."""
    item = tarfile.TarInfo(name)
    item.size = len(data)
    for field, value in fields.items():
        setattr(item, field, value)
    tar.addfile(item, io.BytesIO(data))


INFO = archive(lambda tar: add(tar, "info/index.json", b"{}"))


@dataclass(frozen=True)
class Carrier:
    """A file with one package in it, and the list that describes it."""

    file: Path
    list: Path
    base: int

    def run(self, helper: Path, command: str, *directory: Path) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in (helper, command, self.file, self.list, self.base, *directory, "title")]
        return subprocess.run(words, capture_output=True, text=True)


def carrier(
    folder: Path, *archives: bytes, name: str = "evil-1-0", subdir: str = "noarch", compressed: bool = False
) -> Carrier:
    """One package; its archives are compressed here unless they are already."""
    blobs = [data if compressed else zstandard.ZstdCompressor().compress(data) for data in archives]
    file, listing, base = folder / "file", folder / "list", 7
    whole = b"".join(blobs)
    file.write_bytes(b"header\n" + whole)
    digest = hashlib.sha256(whole).hexdigest()
    spans = f"0 {len(blobs[0])} {len(blobs[0])} {len(blobs[1])}"
    listing.write_text(f"{digest} 0 {len(whole)} {spans} {subdir} {name} base\n")
    return Carrier(file, listing, base)


def unpack(helper: Path, folder: Path, payload: bytes) -> subprocess.CompletedProcess[str]:
    """Unpacks a package with this archive to ``folder``/out/pkgs."""
    target = folder / "out/pkgs"
    target.mkdir(parents=True, exist_ok=True)
    return carrier(folder, payload, INFO).run(helper, "unpack", target)


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


# ---- what a hostile package asks for ----


def through_a_link(target: str) -> Callable[[tarfile.TarFile], None]:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "lib/door", type=tarfile.SYMTYPE, linkname=target)
        add(tar, "lib/door/escaped", b"x")

    return fill


def over_a_link(tar: tarfile.TarFile) -> None:
    add(tar, "door", type=tarfile.SYMTYPE, linkname="../../../escaped")
    add(tar, "door", b"x")


def link_in_place_of_an_open_folder(tar: tarfile.TarFile) -> None:
    add(tar, "lib/a", b"1")
    add(tar, "lib", type=tarfile.SYMTYPE, linkname="../../..")
    add(tar, "lib/escaped", b"x")


def hard_link_through_a_link(tar: tarfile.TarFile) -> None:
    add(tar, "door", type=tarfile.SYMTYPE, linkname="../../..")
    add(tar, "got", type=tarfile.LNKTYPE, linkname="door/secret")


def hard_link_to_a_link(tar: tarfile.TarFile) -> None:
    add(tar, "door", type=tarfile.SYMTYPE, linkname="../../../secret")
    add(tar, "got", type=tarfile.LNKTYPE, linkname="door")


def twice(tar: tarfile.TarFile) -> None:
    add(tar, "file", b"1")
    add(tar, "file", b"2")


HOSTILE: dict[str, Callable[[tarfile.TarFile], None]] = {
    "absolute": lambda tar: add(tar, "/tmp/escaped", b"x"),
    "parent": lambda tar: add(tar, "../escaped", b"x"),
    "parent within": lambda tar: add(tar, "lib/../../escaped", b"x"),
    "parent folder": lambda tar: add(tar, "../escaped", type=tarfile.DIRTYPE),
    "through a link": through_a_link("../../../.."),
    "through a link within": through_a_link("."),
    "over a link": over_a_link,
    "link over a folder": link_in_place_of_an_open_folder,
    "hard link to parent": lambda tar: add(tar, "got", type=tarfile.LNKTYPE, linkname="../../../secret"),
    "hard link to absolute": lambda tar: add(tar, "got", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "hard link through a link": hard_link_through_a_link,
    "hard link to a link": hard_link_to_a_link,
    "link named absolute": lambda tar: add(tar, "/tmp/escaped", type=tarfile.SYMTYPE, linkname="x"),
    "device": lambda tar: add(tar, "null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": lambda tar: add(tar, "disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "pipe": lambda tar: add(tar, "pipe", type=tarfile.FIFOTYPE),
    "twice": twice,
    "no name": lambda tar: add(tar, ".", b"x"),
    "too deep": lambda tar: add(tar, "/".join("d" * 70) + "/file", b"x"),
    "long parent": lambda tar: add(tar, "d/" * 120 + "../" * 121 + "escaped", b"x"),
    "pax parent": lambda tar: add(tar, "file", b"x", pax_headers={"path": "../escaped"}),
    "pax zero byte": lambda tar: add(tar, "file", b"x", pax_headers={"path": "a\0../escaped"}),
    "pax size": lambda tar: add(tar, "file", b"x", pax_headers={"size": "99999999999999999999"}),
    "pax negative size": lambda tar: add(tar, "file", b"x", pax_headers={"size": "-1"}),
    "sparse": lambda tar: add(tar, "file", b"x", pax_headers={"GNU.sparse.major": "1"}),
    "header too long": lambda tar: add(tar, "file", b"x", pax_headers={"comment": "x" * 2_000_000}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(helper: Path, tmp_path: Path, case: str) -> None:
    (tmp_path / "secret").write_text("secret\n")
    done = unpack(helper, tmp_path, archive(HOSTILE[case]))
    assert done.returncode == FAILED, done
    assert "evil-1-0" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "file", "list", "out"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pkgs"]
    assert [path.name for path in (tmp_path / "out/pkgs").iterdir()] == [".evil-1-0.partial"], "never complete"
    assert (tmp_path / "secret").stat().st_nlink == 1
    assert not Path("/tmp/escaped").exists()


def edited(offset: int, data: bytes, checksum: bool = True) -> bytes:
    """An archive of one file whose header is overwritten at ``offset``."""
    tar = bytearray(archive(lambda tar: add(tar, "file", b"x" * 600)))
    tar[offset : offset + len(data)] = data
    if checksum:
        tar[148:156] = b" " * 8
        tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return bytes(tar)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (edited(0, b"x", checksum=False), "checksum"),
        (edited(124, b"\x80" + b"\xff" * 11), "number"),
        (edited(124, b"\xff" * 12), "number"),
        (edited(124, b"9999999999x\0"), "number"),
        (edited(124, b"77777777777\0"), "too early"),
        (edited(156, b"S"), "neither"),
        (archive(lambda tar: add(tar, "file", b"x" * 5000))[:3000], "too early"),
        (archive(lambda tar: add(tar, "file", b"x" * 5000))[:300], "too early"),
        (b"", "too early"),
        (b"this is no archive at all" * 100, "number"),
    ],
)
def test_a_malformed_archive_is_refused(helper: Path, tmp_path: Path, payload: bytes, words: str) -> None:
    done = unpack(helper, tmp_path, payload)
    assert done.returncode == FAILED, done
    assert words in done.stderr
    assert not (tmp_path / "out/pkgs/evil-1-0").exists()


@pytest.mark.parametrize("frame", [b"no zstd frame", zstandard.ZstdCompressor().compress(os.urandom(9000))[:-100], b""])
def test_damaged_compression_is_refused(helper: Path, tmp_path: Path, frame: bytes) -> None:
    target = tmp_path / "pkgs"
    target.mkdir()
    compressed_info = zstandard.ZstdCompressor().compress(INFO)
    done = carrier(tmp_path, frame, compressed_info, compressed=True).run(helper, "unpack", target)
    assert done.returncode in (DAMAGED, FAILED)
    assert not (target / "evil-1-0").exists()


@pytest.mark.parametrize(
    "line",
    [
        "{sha} 0 10 0 5 5 5 noarch ../evil base",
        "{sha} 0 10 0 5 5 5 noarch .. base",
        "{sha} 0 10 0 5 5 5 /tmp evil-1-0 base",
        "{sha} 0 10 0 5 5 6 noarch evil-1-0 base",
        "{sha} 0 99999 0 5 5 5 noarch evil-1-0 base",
        "{sha} 18446744073709551615 10 0 5 5 5 noarch evil-1-0 base",
        "{sha} 0 10 0 5 noarch evil-1-0 base",
        "",
    ],
)
@pytest.mark.parametrize("command", ["unpack", "channel"])
def test_a_list_that_points_elsewhere_is_refused(helper: Path, tmp_path: Path, line: str, command: str) -> None:
    made = carrier(tmp_path, b"12345", b"67890", compressed=True)
    made.list.write_text(line.format(sha=hashlib.sha256(b"1234567890").hexdigest()) + "\n")
    (tmp_path / "out").mkdir()
    assert made.run(helper, command, tmp_path / "out").returncode == DAMAGED
    assert list((tmp_path / "out").iterdir()) == []


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


def lay(helper: Path, folder: Path, fill: Callable[[tarfile.TarFile], None]) -> subprocess.CompletedProcess[str]:
    """Lays an environment's archive down in ``folder``/prefix, beside a package cache with one package in it."""
    files = {"one-1-0/lib/file": "content\n", "one-1-0/info/paths.json": PATHS, "one-1-0/script": "#!/placehold/sh\n"}
    for name, text in files.items():
        path = folder / "pkgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "prefix").mkdir()
    data = zstandard.ZstdCompressor().compress(archive(fill, tarfile.GNU_FORMAT))
    (folder / "file").write_bytes(b"header\n" + data)
    words = ("link", folder / "file", folder / "pkgs", "sh it -b", 7, len(data), folder / "prefix")
    return subprocess.run([helper, *map(str, words)], capture_output=True, text=True)


PATHS = json.dumps({"paths": [{"sha256": "a" * 64}, {"sha256": "b" * 64}]})
PATCHED = b"P"


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


@pytest.mark.parametrize(
    "fill",
    [
        lambda tar: add(tar, "../escaped", b"x"),
        lambda tar: add(tar, "got", type=tarfile.LNKTYPE, linkname="../secret"),
        lambda tar: add(tar, "got", b"copy", type=PATCHED, linkname="../secret"),
        lambda tar: add(tar, "got", type=tarfile.LNKTYPE, linkname="one-1-0/lib"),
        lambda tar: add(tar, "got", b"@hubforge:sha256 0@"),
        lambda tar: add(tar, "got", b"@hubforge:hash@"),
        lambda tar: add(tar, "got", b"@hubforge:hash 2@", linkname="one-1-0/info/paths.json"),
        lambda tar: add(tar, "got", b"@hubforge:nothing@"),
        lambda tar: add(tar, "got", b"@hubforge:prefix"),
        twice,
        through_a_link("../.."),
    ],
)
def test_an_environment_that_leads_elsewhere_or_asks_for_the_unknown_is_refused(
    helper: Path, tmp_path: Path, fill: Callable[[tarfile.TarFile], None]
) -> None:
    (tmp_path / "secret").write_text("secret\n")
    done = lay(helper, tmp_path, fill)
    assert done.returncode in (DAMAGED, FAILED)
    assert done.stderr.startswith("hub-installer: ")
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "file", "pkgs", "prefix"}
    assert not (tmp_path / "prefix/got").exists()


def test_a_package_has_no_entries_that_only_environments_have(helper: Path, tmp_path: Path) -> None:
    payload = archive(lambda tar: add(tar, "got", b"copy", type=PATCHED, linkname="info/index.json"))
    done = unpack(helper, tmp_path, payload)
    assert done.returncode == FAILED
    assert "neither" in done.stderr


# ---- hashes ----


@pytest.mark.parametrize("length", [1, 55, 56, 63, 64, 65, 119, 120, 128, 1_000_003])
@pytest.mark.parametrize("how", [[], ["portable"]], ids=["as the processor can", "portable"])
def test_sha256_is_sha256(helper: Path, tmp_path: Path, length: int, how: list[str]) -> None:
    data = os.urandom(length)
    (tmp_path / "data").write_bytes(data)
    done = subprocess.run([helper, "sha256", tmp_path / "data", *how], capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_verify_names_the_damaged_package(helper: Path, tmp_path: Path) -> None:
    made = carrier(tmp_path, INFO, INFO)
    assert made.run(helper, "verify").returncode == 0
    data = bytearray(made.file.read_bytes())
    data[-1] ^= 1
    made.file.write_bytes(data)
    done = made.run(helper, "verify")
    assert done.returncode == DAMAGED
    assert "evil-1-0" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        *([], ["verify"], ["unpack", "a", "b", "1", "c"], ["nonsense", "x"], ["cat", "f", "x", "1"], ["sync"]),
        ["link", "f", "c", "x", "1"],
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
