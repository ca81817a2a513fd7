"""Channels for any conda client: one holds exactly the packages given, the published one only ever grows."""

import json
from pathlib import Path

import pytest
import zstandard

from forge import channel, condapkg
from forge.condapkg import Index, Member
from forge.errors import ForgeError
from forge.files import sha256_of
from forge.target import SUBDIRS


def package(folder: Path, name: str, *, subdir: str = "noarch", text: bytes = b"1") -> Path:
    index = Index(name, "1.0", "0", subdir=subdir, noarch="generic" if subdir == "noarch" else None)
    return condapkg.write(folder, index, [Member(f"share/{name}", text)], epoch=1_700_000_000)


def repodata(folder: Path, subdir: str) -> dict[str, dict[str, str]]:
    packages: dict[str, dict[str, str]] = json.loads((folder / subdir / "repodata.json").read_text())["packages.conda"]
    return packages


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name + path.parent.name: path.read_bytes() for path in folder.rglob("repodata*")}


def test_a_client_finds_every_package_with_its_hash(tmp_path: Path) -> None:
    files = [package(tmp_path, "pure"), package(tmp_path, "compiled", subdir="linux-64")]
    channel.publish(files, tmp_path / "channel")
    assert set(repodata(tmp_path / "channel", "noarch")) == {"pure-1.0-0.conda"}
    record = repodata(tmp_path / "channel", "linux-64")["compiled-1.0-0.conda"]
    assert record["sha256"] == sha256_of(files[1])
    for subdir in SUBDIRS:
        plain = (tmp_path / "channel" / subdir / "repodata.json").read_bytes()
        packed = (tmp_path / "channel" / subdir / "repodata.json.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == plain


def test_a_package_that_is_no_longer_given_goes_away(tmp_path: Path) -> None:
    one, two = package(tmp_path, "one"), package(tmp_path, "two")
    channel.publish([one, two], tmp_path / "channel")
    channel.publish([two], tmp_path / "channel")
    assert set(repodata(tmp_path / "channel", "noarch")) == {"two-1.0-0.conda"}
    assert [path.name for path in (tmp_path / "channel").rglob("*.conda")] == ["two-1.0-0.conda"]


def test_a_rebuilt_package_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    channel.publish([package(tmp_path / "a", "tool")], tmp_path / "channel")
    rebuilt = package(tmp_path / "b", "tool", text=b"2")
    channel.publish([rebuilt], tmp_path / "channel")
    assert repodata(tmp_path / "channel", "noarch")["tool-1.0-0.conda"]["sha256"] == sha256_of(rebuilt)


def test_two_different_packages_of_one_file_name_are_refused_with_both_hashes(tmp_path: Path) -> None:
    files = [package(tmp_path / "a", "tool"), package(tmp_path / "b", "tool", text=b"2")]
    with pytest.raises(ForgeError) as caught:
        channel.publish(files, tmp_path / "channel")
    assert all(sha256_of(path) in str(caught.value) for path in files)
    assert "build number" in str(caught.value)


def test_nothing_changed_means_nothing_is_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [package(tmp_path, "one")]
    channel.publish(files, tmp_path / "channel")
    monkeypatch.setattr("forge.processes.run", lambda *_, **__: pytest.fail("indexed again"))
    channel.publish(files, tmp_path / "channel")


def test_the_same_packages_give_the_same_index(tmp_path: Path) -> None:
    files = [package(tmp_path, name) for name in ("one", "two", "three")]
    channel.publish(files, tmp_path / "first")
    channel.publish(files[::-1], tmp_path / "second")
    assert snapshot(tmp_path / "first") == snapshot(tmp_path / "second")


def test_a_lost_index_is_made_again(tmp_path: Path) -> None:
    files = [package(tmp_path, "one")]
    channel.publish(files, tmp_path / "channel")
    (tmp_path / "channel/noarch/repodata.json.zst").unlink()
    channel.publish(files, tmp_path / "channel")
    assert (tmp_path / "channel/noarch/repodata.json.zst").is_file()


# ---- the published channel ----


def test_a_release_is_added_to_those_before(tmp_path: Path) -> None:
    old, new = package(tmp_path / "a", "tool"), package(tmp_path / "b", "other")
    channel.add([old], tmp_path / "channel", {"locks/1/base.explicit.txt": "tool\n"})
    channel.add([new], tmp_path / "channel", {"locks/2/base.explicit.txt": "other\n"})
    assert set(repodata(tmp_path / "channel", "noarch")) == {"tool-1.0-0.conda", "other-1.0-0.conda"}
    assert (tmp_path / "channel/noarch/tool-1.0-0.conda").read_bytes() == old.read_bytes()
    assert sorted(path.parent.name for path in (tmp_path / "channel/locks").rglob("*.txt")) == ["1", "2"]


def test_a_published_file_is_not_rewritten_and_nothing_else_is_added_then(tmp_path: Path) -> None:
    published = package(tmp_path / "a", "tool")
    channel.add([published], tmp_path / "channel", {})
    before = snapshot(tmp_path / "channel")
    rebuilt, new = package(tmp_path / "b", "tool", text=b"2"), package(tmp_path / "b", "new")
    with pytest.raises(ForgeError) as caught:
        channel.add([new, rebuilt], tmp_path / "channel", {})
    assert all(sha256_of(path) in str(caught.value) for path in (published, rebuilt))
    assert "noarch/tool-1.0-0.conda" in str(caught.value)
    assert "make release" in str(caught.value)
    assert snapshot(tmp_path / "channel") == before
    assert [path.name for path in (tmp_path / "channel").rglob("*.conda")] == ["tool-1.0-0.conda"]


def test_published_locks_are_not_rewritten(tmp_path: Path) -> None:
    channel.add([], tmp_path / "channel", {"locks/1/base.explicit.txt": "tool\n"})
    with pytest.raises(ForgeError, match=r"locks/1/base\.explicit\.txt"):
        channel.add([], tmp_path / "channel", {"locks/1/base.explicit.txt": "another\n"})


def test_adding_what_is_there_already_changes_nothing(tmp_path: Path) -> None:
    channel.add([package(tmp_path, "tool")], tmp_path / "channel", {"locks/1/base.explicit.txt": "tool\n"})
    before = snapshot(tmp_path / "channel")
    channel.add([package(tmp_path, "tool")], tmp_path / "channel", {"locks/1/base.explicit.txt": "tool\n"})
    assert snapshot(tmp_path / "channel") == before
