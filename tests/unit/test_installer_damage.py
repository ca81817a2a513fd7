"""A damaged installer file: every wrong byte ends in 3 before anything is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def part_offsets(installer: Path) -> dict[str, int]:
    """A byte in the middle of every part of the file, by the part's name."""
    text = installer.read_bytes().decode("latin-1")
    header_length = int(text.split("\nheader_length=")[1].split()[0])
    rows = [row.split() for row in text.split("\nparts='")[1].split("'")[0].splitlines()]
    offsets = {row[0]: header_length + int(row[1]) + int(row[2]) // 2 for row in rows}
    first = int(text.split("\npackages_offset=")[1].split()[0])
    return offsets | {"first package": first, "middle package": (first + len(text)) // 2, "last byte": len(text) - 1}


PARTS = (
    *("helper", "packages", "index.json", "link.py", "licence", "post_install", "sbom"),
    *("repodata-linux-64", "repodata-noarch", "first package", "middle package", "last byte"),
)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", PARTS)
def test_a_flipped_byte_ends_in_3_and_writes_nothing(installer: Path, tmp_path: Path, name: str, shell: str) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)[name]))
    done = run(damaged, "-b", "-p", tmp_path / "new/prefix", shell=shell)
    assert done.returncode == 3, done
    assert "damaged" in done.stderr
    assert not (tmp_path / "new").exists()


def flip(data: bytearray, offset: int) -> None:
    data[offset] ^= 0x10


def damage(installer: Path, folder: Path, how: Callable[[bytearray], None]) -> Path:
    data = bytearray(installer.read_bytes())
    how(data)
    damaged = folder / "damaged.sh"
    damaged.write_bytes(data)
    return damaged


@pytest.mark.parametrize(
    "how",
    [
        lambda data: data.pop(),
        lambda data: data.append(0),
        lambda data: data.__delitem__(slice(len(data) // 2, None)),
        lambda data: data.__delitem__(200_000),
        lambda data: data.extend(b"x" * 100_000),
        lambda data: flip(data, data.index(b"needs a POSIX shell")),
        lambda data: flip(data, data.index(b"default_prefix=") + 20),
    ],
    ids=["cut", "appended", "halved", "one byte out", "much appended", "comment changed", "value changed"],
)
def test_a_cut_lengthened_or_edited_file_ends_in_3(
    installer: Path, tmp_path: Path, how: Callable[[bytearray], None]
) -> None:
    done = run(damage(installer, tmp_path, how), "-b", "-p", tmp_path / "prefix")
    assert done.returncode == 3, done
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("task", [["--list"], ["--extract-channel", "CHANNEL"]])
def test_damage_stops_the_other_tasks_too(installer: Path, tmp_path: Path, task: list[str]) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["packages"]))
    done = run(damaged, *(word.replace("CHANNEL", str(tmp_path / "channel")) for word in task))
    assert done.returncode == 3
    assert not (tmp_path / "channel").exists()
