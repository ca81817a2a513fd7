"""``make reproduce``: two builds are the same, or what differs is named, down to the first byte of a member."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from forge import channel, condapkg, differences, reproduce
from forge.condapkg import Index, Member, container
from forge.errors import ForgeError
from tests.unit import installer_stub as stub

TOOL = Index("tool", "1.0", "h1_0", subdir="linux-64")
PROGRAM = Member("bin/tool", b"\x7fELF\0" + bytes(100), executable=True)
TEXT = Member("share/tool/about", b"tool 1.0\nbuilt at one\nthe end\n")


def dist(
    folder: Path, members: Sequence[Member] = (PROGRAM, TEXT), index: Index = TOOL, licence: str = "free\n"
) -> Path:
    """What a build leaves: a channel with a tool and something that never changes, and an installer."""
    tool = condapkg.write(folder / "packages", index, members, epoch=stub.EPOCH)
    other = condapkg.write(folder / "packages", Index("other", "1.0", "0"), [TEXT], epoch=stub.EPOCH)
    channel.publish([tool, other], folder / "dist/packages")
    stub.build(folder / "dist", replace(stub.plan(folder / "carried"), license_text=licence))
    return folder / "dist"


def differing(first: Path, second: Path) -> dict[str, tuple[str, ...]]:
    return {difference.file: difference.causes for difference in differences.between(first, second)}


def test_two_builds_of_the_same_are_the_same(tmp_path: Path) -> None:
    assert differing(dist(tmp_path / "one"), dist(tmp_path / "two")) == {}


def test_a_text_that_differs_is_shown_from_where_it_differs_and_the_index_follows(tmp_path: Path) -> None:
    changed = replace(TEXT, data=TEXT.data.replace(b"one", b"two"))
    found = differing(dist(tmp_path / "one"), dist(tmp_path / "two", (PROGRAM, changed)))
    assert found["packages/linux-64/tool-1.0-h1_0.conda"] == (
        r"share/tool/about: line 2: 'built at one\n' | 'built at two\n'",
    )
    assert found["packages/linux-64/repodata.json"][0].startswith("tool-1.0-h1_0.conda: md5, sha256")
    assert set(found) == {
        "packages/linux-64/tool-1.0-h1_0.conda",
        "packages/linux-64/repodata.json",
        "packages/linux-64/repodata.json.zst",
    }


def test_a_program_that_differs_is_shown_from_its_first_byte(tmp_path: Path) -> None:
    changed = replace(PROGRAM, data=PROGRAM.data[:50] + b"/home/me" + PROGRAM.data[58:])
    found = differing(dist(tmp_path / "one"), dist(tmp_path / "two", (changed, TEXT)))
    (cause,) = found["packages/linux-64/tool-1.0-h1_0.conda"]
    assert cause.startswith("bin/tool: byte 50 of 105: b'\\x00")
    assert "| b'/home/me" in cause


def test_what_an_archive_says_beside_the_content_is_named_too(tmp_path: Path) -> None:
    changed = replace(TEXT, executable=True)
    found = differing(dist(tmp_path / "one"), dist(tmp_path / "two", (PROGRAM, changed)))
    assert found["packages/linux-64/tool-1.0-h1_0.conda"] == ("share/tool/about: mode ?rw-r--r-- | ?rwxr-xr-x",)


def test_a_member_and_a_package_that_only_one_build_has_are_named(tmp_path: Path) -> None:
    first, second = dist(tmp_path / "one"), dist(tmp_path / "two", (PROGRAM,))
    (second / "packages/noarch/other-1.0-0.conda").unlink()
    found = differing(first, second)
    assert found["packages/linux-64/tool-1.0-h1_0.conda"] == ("share/tool/about: only the first build has it",)
    assert found["packages/noarch/other-1.0-0.conda"] == ("only the first build has it",)


def test_packages_whose_build_strings_differ_are_compared(tmp_path: Path) -> None:
    first, second = dist(tmp_path / "one"), dist(tmp_path / "two", index=replace(TOOL, build="h2_0"))
    name = "packages/linux-64/tool-1.0-h1_0.conda against packages/linux-64/tool-1.0-h2_0.conda"
    named, index = differing(first, second)[name]
    assert "built with" in named
    assert index.startswith("info/index.json: line ")
    assert "h2_0" in index


def test_the_same_members_packed_another_way_are_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dist(tmp_path / "one")
    monkeypatch.setattr(container, "ZSTD_LEVEL", 1)
    second = dist(tmp_path / "two")
    (cause,) = differing(first, second)["packages/linux-64/tool-1.0-h1_0.conda"]
    assert "compression" in cause


def test_of_an_installer_the_part_is_named(tmp_path: Path) -> None:
    found = differing(dist(tmp_path / "one"), dist(tmp_path / "two", licence="paid\n"))
    (cause,) = found.pop("hub-installer.sh")
    assert found == {}
    # behind the notices of the program that unpacks the packages
    assert re.fullmatch(r"its part licence: line \d+: 'free\\n' \| 'paid\\n'", cause)


def build_instead(monkeypatch: pytest.MonkeyPatch, folder: Path, *dists: Path) -> None:
    """Lets ``make reproduce`` find ``dists`` built below ``folder``: real builds take a quarter of an hour."""
    waiting = list(dists)

    def build(place: Path, zone: str) -> Path:
        (place / "cache").mkdir()
        return Path(shutil.copytree(waiting.pop(0), place / "checkout/dist"))

    monkeypatch.setattr(reproduce, "BUILDS", folder)
    monkeypatch.setattr(reproduce, "_build", build)


def test_of_two_builds_that_are_the_same_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "builds").mkdir()
    build_instead(monkeypatch, tmp_path / "builds", dist(tmp_path / "one"), dist(tmp_path / "two"))
    reproduce.main()
    assert list((tmp_path / "builds").iterdir()) == []


def test_of_two_builds_that_differ_both_are_kept_without_their_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "builds").mkdir()
    build_instead(monkeypatch, tmp_path / "builds", dist(tmp_path / "one"), dist(tmp_path / "two", licence="paid\n"))
    with pytest.raises(ForgeError, match="differ in 1"):
        reproduce.main()
    assert "its part licence" in capsys.readouterr().out
    kept = list((tmp_path / "builds").glob("*/**/hub-installer.sh"))
    assert len(kept) == 2
    assert list((tmp_path / "builds").glob("**/cache")) == []


def test_it_is_never_the_same_day_in_both_builds() -> None:
    west, east = (int(zone[4:]) for zone in reproduce.SURROUNDINGS.values())  # POSIX counts hours west of Greenwich
    assert west - east > 24
