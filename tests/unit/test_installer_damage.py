"""A damaged installer file: every wrong byte ends in 3 before anything is written, and the part is named."""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.russian import RUSSIAN, messages
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def header_length(data: bytes) -> int:
    return int(data.split(b"\nheader_length=")[1].split()[0])


def packages_offset(data: bytes) -> int:
    return int(data.split(b"\npackages_offset=")[1].split()[0])


def parts(data: bytes) -> dict[str, tuple[int, int]]:
    """Where the header, every part and every package of the file begin and end, by name."""
    header, first_package = header_length(data), packages_offset(data)
    rows = [row.split() for row in data.decode("latin-1").split("\nparts='")[1].split("'")[0].splitlines()]
    found = {name: (header + int(offset), header + int(offset) + int(length)) for name, offset, length, _ in rows}
    for row in data[slice(*found["packages"])].decode().splitlines():
        _, offset, length, *_, name, _, _ = row.split()
        found[name] = (first_package + int(offset), first_package + int(offset) + int(length))
    return {"header": (0, header), **found}


def first_wrong(whole: bytes, damaged: bytes) -> str:
    """The part or package in which the two differ first; "end" for what follows the last one."""
    pairs = enumerate(zip(whole, damaged, strict=False))
    offset = next((offset for offset, (one, other) in pairs if one != other), min(len(whole), len(damaged)))
    return next((name for name, (begin, end) in parts(whole).items() if begin <= offset < end), "end")


def part_offsets(installer: Path) -> dict[str, int]:
    """A byte in the middle of every part of the file, by the part's name."""
    data = installer.read_bytes()
    offsets = {name: (begin + end) // 2 for name, (begin, end) in parts(data).items()}
    first = packages_offset(data)
    return offsets | {"first package": first, "middle package": (first + len(data)) // 2, "last byte": len(data) - 1}


PARTS = (
    *("helper", "packages", "index.json", "link.py", "licence", "post_install", "sbom"),
    *("repodata-linux-64", "repodata-noarch", "linked-base", "linked-marker"),
    *("first package", "middle package", "last byte"),
)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", PARTS)
def test_a_flipped_byte_ends_in_3_and_writes_nothing(installer: Path, tmp_path: Path, name: str, shell: str) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)[name]))
    done = run(damaged, "-b", "-p", tmp_path / "new/prefix", shell=shell)
    assert done.returncode == 3, done
    assert "damaged" in done.stderr
    assert first_wrong(installer.read_bytes(), damaged.read_bytes()) in done.stderr
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
    damaged = damage(installer, tmp_path, how)
    done = run(damaged, "-b", "-p", tmp_path / "prefix")
    assert done.returncode == 3, done
    assert first_wrong(installer.read_bytes(), damaged.read_bytes()) in done.stderr
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_that_has_lost_its_first_act_and_its_list_of_parts_ends_in_3(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    damaged = damage(installer, tmp_path, lambda data: data.__delitem__(_from_first_act_to_messages(data)))
    done = run(damaged, "-bs", "-p", tmp_path / "prefix", shell=shell)
    assert done.returncode == 3, done
    assert done.stderr == messages("en")["wrong_part"] % (damaged, "header") + "\n"
    assert not (tmp_path / "prefix").exists()


def _from_first_act_to_messages(data: bytearray) -> slice:
    return slice(data.index(b"[ -f"), data.index(b"message_en() {"))


@pytest.mark.parametrize("shell", SHELLS)
def test_one_line_names_a_damaged_package_where_the_signal_of_a_broken_pipe_is_ignored(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["last byte"]))
    done = subprocess.run(["sh", "-c", f"trap '' PIPE; exec {shell} {damaged} --check"], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert first_wrong(installer.read_bytes(), damaged.read_bytes()) in line


@pytest.mark.parametrize("task", [["--list"], ["--extract-channel", "CHANNEL"]])
def test_damage_stops_the_other_tasks_too(installer: Path, tmp_path: Path, task: list[str]) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["packages"]))
    done = run(damaged, *(word.replace("CHANNEL", str(tmp_path / "channel")) for word in task))
    assert done.returncode == 3
    assert not (tmp_path / "channel").exists()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("task", ["--list", "--sbom", "--check"])
def test_a_wrong_byte_among_the_packages_stops_what_tells_of_them(
    installer: Path, tmp_path: Path, task: str, shell: str
) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["last byte"]))
    done = run(damaged, task, "-p", tmp_path / "prefix", shell=shell)
    assert (done.returncode, done.stdout) == (3, "")
    assert "damaged" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("language", "surroundings"), [("en", {"LC_ALL": "C"}), ("ru", RUSSIAN)])
def test_a_damaged_package_is_named_in_one_line_before_anything_is_installed(
    installer: Path, tmp_path: Path, language: str, surroundings: dict[str, str], shell: str
) -> None:
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["last byte"]))
    done = run(damaged, "-bs", "-p", tmp_path / "prefix", shell=shell, **surroundings)
    assert done.returncode == 3
    assert done.stderr == messages(language)["wrong_part"] % (damaged, "only-in-1.0-1.0-0") + "\n"
    assert not (tmp_path / "prefix").exists()


def test_a_wrong_byte_among_the_packages_keeps_nobody_from_uninstalling(installer: Path, tmp_path: Path) -> None:
    assert run(installer, "-bs", "-p", tmp_path / "prefix").returncode == 0
    damaged = damage(installer, tmp_path, lambda data: flip(data, part_offsets(installer)["last byte"]))
    assert run(damaged, "--uninstall", "-b", "-p", tmp_path / "prefix").returncode == 0


# ---- 500 damages at random ----


def random_damages(data: bytes, number: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """Flips, cuts and additions: half of them behind the header, the rest in it, and of these half in its first act.

    What is added within the first act are zero bytes: whatever else stood there would be a program of its own.
    """
    chance = random.Random(seed)
    header, guard = header_length(data), data.index(b"\nesac\n") + len(b"\nesac\n")
    for _ in range(number):
        first, last = chance.choice([(0, guard), (guard, header), (header, len(data)), (header, len(data))])
        offset = chance.randrange(first, last)
        how = chance.choice(["flip", "flip", "cut", "gap", "addition"])
        if how == "flip":
            after = bytes([data[offset] ^ 1 << chance.randrange(8)]) + data[offset + 1 :]
        elif how == "cut":
            after = b""
        elif how == "gap":
            after = data[offset + chance.randrange(1, 5000) :]
        else:
            length = chance.randrange(1, 5000)
            after = (bytes(length) if last == guard else chance.randbytes(length)) + data[offset:]
        yield how, offset, data[:offset] + after


@pytest.mark.parametrize("seed", range(10))
def test_no_damage_leads_to_an_installation_and_nothing_is_written(
    installer: Path, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = installer.read_bytes()
    guard_end = data.index(b"\nesac\n") + len(b"\nesac\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    wrong = []
    for how, offset, damaged in random_damages(data, 50, seed):
        (folder / "damaged.sh").write_bytes(damaged)
        done = run(Path("damaged.sh"), "-bs", "-p", tmp_path / "new/prefix", shell=SHELLS[seed % 3])
        written = [path.name for path in (*folder.iterdir(), *tmp_path.iterdir()) if path.name != "damaged.sh"]
        # A file that is cut within its first act has no command left: the shell reaches its end.
        expected = {3} if offset > guard_end else set(range(256)) - ({0} if how == "flip" else set())
        is_named = offset <= guard_end or first_wrong(data, damaged) in done.stderr
        if done.returncode not in expected or not is_named or written != ["folder"]:
            wrong.append((how, offset, done, written))
    assert wrong == []
