"""``--extract-channel``: what is laid down, where a channel cannot be, and what is left of one that failed."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
import rattler
import zstandard

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_extract_channel_lays_down_an_indexed_channel(installer: Path, tmp_path: Path, shell: str) -> None:
    channel = tmp_path / "srv/channel"
    done = run(installer, "--extract-channel", channel, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    packages = {path.name: path for path in channel.rglob("*.conda")}
    assert len(packages) == 6
    for subdir in ("linux-64", "noarch"):
        repodata = (channel / subdir / "repodata.json").read_bytes()
        records = json.loads(repodata)["packages.conda"]
        assert {name: path for name, path in packages.items() if path.parent.name == subdir}.keys() == records.keys()
        for name, record in records.items():
            assert hashlib.sha256(packages[name].read_bytes()).hexdigest() == record["sha256"]
        compressed = (channel / subdir / "repodata.json.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(compressed) == repodata
    assert sorted(path.name for path in channel.iterdir()) == ["linux-64", "noarch"]


def names_in_the_index(channel: Path) -> set[str]:
    """Of both subdirs, out of the file that conda asks for first; the plain one says the same."""
    names: set[str] = set()
    for subdir in ("linux-64", "noarch"):
        compressed = (channel / subdir / "repodata.json.zst").read_bytes()
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
        assert json.loads(plain) == json.loads((channel / subdir / "repodata.json").read_bytes())
        names |= json.loads(plain)["packages.conda"].keys()
    return names


@pytest.mark.parametrize("shell", SHELLS)
def test_a_release_joins_those_that_the_channel_has_already(installer: Path, tmp_path: Path, shell: str) -> None:
    channel = tmp_path / "channel"
    newer = stub.build(tmp_path, stub.newer(tmp_path / "packages", stub.plan(tmp_path / "packages")))
    run(installer, "--extract-channel", channel)
    before = names_in_the_index(channel)
    done = run(newer, "--extract-channel", channel, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in_the_index(channel) == before | {"demo-2.0-h0_0.conda"}
    assert sorted(path.name for path in channel.iterdir()) == ["linux-64", "noarch"]


def test_the_same_release_again_changes_nothing(installer: Path, tmp_path: Path) -> None:
    run(installer, "--extract-channel", tmp_path / "channel")
    before = stub.tree(tmp_path / "channel")
    assert run(installer, "--extract-channel", tmp_path / "channel").returncode == 0
    assert stub.tree(tmp_path / "channel") == before


@pytest.mark.parametrize("shell", SHELLS)
def test_a_published_package_is_never_rewritten(installer: Path, tmp_path: Path, shell: str) -> None:
    channel = tmp_path / "channel"
    run(installer, "--extract-channel", channel)
    published = channel / "linux-64/demo-1.0-h0_0.conda"
    published.write_bytes(b"another build")
    before = stub.tree(channel)
    done = run(installer, "--extract-channel", channel, shell=shell)
    assert done.returncode == 1
    assert str(published) in done.stderr
    assert stub.tree(channel) == before


def test_the_extracted_channel_can_be_solved_from(installer: Path, tmp_path: Path) -> None:
    run(installer, "--extract-channel", tmp_path / "channel")
    solution = asyncio.run(
        rattler.solve(
            [rattler.Channel((tmp_path / "channel").as_uri())],
            ["demo"],
            platforms=["linux-64", "noarch"],
            virtual_packages=[],
        )
    )
    assert {record.name.normalized for record in solution} == {"demo", "python", "libz"}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_has_no_room_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size=900k none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'"{tmp_path}/disk" has 0 MiB free; 2 MiB are needed' in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_was_written_in_part_holds_nothing_of_the_installers(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel/linux-64").touch()  # where a folder belongs
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 4
    assert [path.name for path in (tmp_path / "channel").glob(".*")] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_on_a_noexec_disk_is_refused_with_what_to_do(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o noexec none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'Programs cannot be run from "{tmp_path}/disk/channel"' in done.stderr
    assert "Choose another folder" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("subdir", ["linux-64", "noarch"])
def test_a_channel_whose_packages_would_go_through_a_link_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, subdir: str, shell: str
) -> None:
    for folder in ("channel", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "channel" / subdir).symlink_to("../elsewhere")
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 1
    assert f'"{tmp_path}/channel/{subdir}" is a symbolic link, and no package is written through one' in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "channel").iterdir()] == [subdir]
