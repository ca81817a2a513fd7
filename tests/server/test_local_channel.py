"""The server's own channel after a kill: what an addition was at is gone with the next one."""

import io
import json
import tarfile
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hubctl import layout as places
from hubctl import localchannel
from hubctl.errors import HubError
from kill_support import killed
from spawn_support import fill, small_disk


def package(folder: Path, name: str) -> Path:
    """A package that holds nothing."""
    index = {"name": name, "version": "1.0", "build": "0", "subdir": "noarch"}
    with tarfile.open(folder / f"{name}-1.0-0.tar.bz2", "w:bz2") as archive:
        entry, data = tarfile.TarInfo("info/index.json"), json.dumps(index).encode()
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return folder / f"{name}-1.0-0.tar.bz2"


@pytest.fixture
def carried(tmp_path: Path) -> Path:
    """A tar with two packages, as it is carried to a server."""
    with tarfile.open(tmp_path / "carried.tar", "w") as archive:
        for name in ("one", "two"):
            archive.add(package(tmp_path, name), f"noarch/{name}-1.0-0.tar.bz2")
    return tmp_path / "carried.tar"


def test_killed_anywhere_an_addition_leaves_nothing_that_the_next_one_does_not_remove(
    tmp_path: Path, carried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index, which base's Python makes, is left out."""
    monkeypatch.setattr(localchannel, "index", lambda _: None)
    other, left = package(tmp_path, "other"), 0
    for number in count(1):
        channel = tmp_path / f"channel-{number}"
        if not killed(partial(localchannel.add, carried, channel), number, channel):
            break
        left += len(list(channel.rglob(".*")))
        localchannel.add(other, channel)
        assert list(channel.rglob(".*")) == []
        assert (channel / "noarch" / other.name).exists()
    assert left > 0, "a kill leaves something"


def test_a_channel_without_space_is_told_as_such(tmp_path: Path) -> None:
    given, channel = tmp_path / "given", tmp_path / "channel"
    for folder in (given, channel):
        folder.mkdir()
    package(given, "one")
    with small_disk(channel) as filler:
        fill(filler)
        with pytest.raises(HubError) as refused:
            localchannel.add(given, channel)
    assert str(refused.value) == (
        f"{given} was not added: no space left in {channel}: make room there (`df {channel}`), "
        "then run the same command again"
    )


def test_an_index_without_space_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for base's Python, which is not here: it says what py-rattler does (tests/unit/test_disk.py)."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'write => no storage space (os error 28)' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(places, "base_program", lambda _: python)
    given, channel = tmp_path / "given", tmp_path / "channel"
    given.mkdir()
    package(given, "one")
    with pytest.raises(HubError) as refused:
        localchannel.add(given, channel)
    assert str(refused.value) == (
        f"The index of {channel} was not made: no space left in {channel}: make room there (`df {channel}`), "
        "then run the same command again"
    )
