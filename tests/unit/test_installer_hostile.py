"""Packages and lists that are hostile or damaged: the installer's helper refuses them, and writes nothing elsewhere."""

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.unit.helper_program import DAMAGED, FAILED, INFO, PATCHED, add, archive, carrier, lay, unpack

pytest_plugins = ["tests.unit.helper_program"]


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
