"""The check of every package's sha256 that the installer does before it writes anything."""

import ctypes
import errno
import hashlib
import os
import struct
import subprocess
from itertools import accumulate
from pathlib import Path

import pytest

from tests.unit.helper_program import DAMAGED, INFO, carrier
from tests.unit.installer_stub import mounted

pytest_plugins = ["tests.unit.helper_program"]

LENGTHS = (1_000_003, 700_000, 300_000, 65_537, 65_536, 64, 63, 1)
"""Of packages: with and without whole pieces, with and without whole blocks."""

ON_ONE = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]


def test_verify_names_the_damaged_package(helper: Path, tmp_path: Path) -> None:
    made = carrier(tmp_path, INFO, INFO)
    assert made.run(helper, "verify").returncode == 0
    data = bytearray(made.file.read_bytes())
    data[-1] ^= 1
    made.file.write_bytes(data)
    done = made.run(helper, "verify")
    assert done.returncode == DAMAGED
    assert "evil-1-0" in done.stderr


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 131_072, 1_000_003])
def test_a_package_is_checked_to_its_last_byte_however_it_is_cut_into_pieces(
    helper: Path, tmp_path: Path, length: int
) -> None:
    made = carrier(tmp_path, os.urandom(length - 1), b"x", compressed=True)
    assert made.run(helper, "verify").returncode == 0
    whole = made.file.read_bytes()
    for place in (0, 65_535, length // 2, length - 1):
        data = bytearray(whole)
        data[made.base + min(place, length - 1)] ^= 1
        made.file.write_bytes(data)
        assert made.run(helper, "verify").returncode == DAMAGED, f"byte {place}"


@pytest.mark.parametrize("how", [[], ["portable"]], ids=["as the processor can", "portable"])
@pytest.mark.parametrize("processors", [[], ON_ONE], ids=["all processors", "one"])
@pytest.mark.parametrize("number", range(1, len(LENGTHS) + 1))
def test_each_of_several_packages_is_checked(
    helper: Path, tmp_path: Path, number: int, processors: list[str], how: list[str]
) -> None:
    packages = [os.urandom(length) for length in LENGTHS[-number:]]
    offsets = [0, *accumulate(len(package) for package in packages)]
    lines = [
        f"{hashlib.sha256(package).hexdigest()} {offset} {len(package)} 0 1 0 1 noarch of-{len(package)}-bytes\n"
        for package, offset in zip(packages, offsets, strict=False)
    ]
    (tmp_path / "list").write_text("".join(lines))
    file = bytearray(b"".join(packages))

    def verify() -> subprocess.CompletedProcess[str]:
        (tmp_path / "file").write_bytes(file)
        words = [*processors, helper, "verify", tmp_path / "file", tmp_path / "list", 0, "title", *how]
        return subprocess.run([str(word) for word in words], capture_output=True, text=True)

    assert verify().returncode == 0
    for package, offset in zip(packages, offsets, strict=False):
        for place in {offset, offset + len(package) - 1}:
            file[place] ^= 1
            done = verify()
            assert done.returncode == DAMAGED, f"byte {place}"
            assert f"of-{len(package)}-bytes " in done.stderr
            file[place] ^= 1


@pytest.mark.parametrize(
    "before", ["mount --bind {folder}/null /dev/null", "mount -t tmpfs dev /dev"], ids=["a file", "missing"]
)
def test_where_dev_null_is_no_device_nothing_is_written_to_it(helper: Path, tmp_path: Path, before: str) -> None:
    made = carrier(tmp_path, os.urandom(1_000_003), b"x", compressed=True)
    (tmp_path / "null").touch()
    done = mounted(f"{before.format(folder=tmp_path)}; {helper} verify {made.file} {made.list} {made.base} title")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "null").stat().st_size == 0


def refuse_sendfile() -> None:
    """In a child, before it becomes the helper: as a file system answers that knows no splice (seccomp(2))."""
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    sendfile, allow, refuse = 40, 0x7FFF0000, 0x00050000 | errno.EINVAL
    steps = [(load, 0, 0, 0), (jump_if_equal, 0, 1, sendfile), (give, 0, 0, refuse), (give, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, by_filter, program):
        raise OSError(ctypes.get_errno(), "prctl")


def test_what_cannot_be_sent_to_dev_null_is_read(helper: Path, tmp_path: Path) -> None:
    made = carrier(tmp_path, os.urandom(1_000_003), b"x", compressed=True)
    words = [str(word) for word in (helper, "verify", made.file, made.list, made.base, "title")]
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=refuse_sendfile)
    assert done.returncode == 0, done.stderr
