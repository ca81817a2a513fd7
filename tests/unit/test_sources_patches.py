"""Which of Debian's patches are taken: texts as they stand in the real series."""

import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version

from forge.errors import ForgeError
from forge.paths import ROOT
from forge.sources import debian
from forge.sources.patches import Patch, extract, security, unaccounted
from tests.unit.sources_mirrors import make_tar

DIFF = "--- a/src/x.c\n+++ b/src/x.c\n@@ -1 +1 @@\n-a\n+CVE-2020-1111 in the code\n"
LAYOUT = Patch("multiarch.diff", "Description: paths\nForwarded: no\n" + DIFF)
OWN_FOLDER = Patch("debian-local/0001-Hurd.patch", "Subject: Hurd\n---\n" + DIFF)
NAMED = Patch("CVE-2025-24528.patch", "From: someone\n---\n" + DIFF)
IN_HEADER = Patch("Avoid-double-free.patch", "Subject: Avoid double free\n\nFixes: CVE-2026-18798\n---\n" + DIFF)
PREDECESSOR = Patch("remove-dead-queue.patch", "Subject: remove dead queue\n---\n" + DIFF)
LATE_LAYOUT = Patch("idle-menu.diff", "Description: menu\nForwarded: not-needed\n" + DIFF)
UNNAMED = Patch("0001-Fix-a-buffer-overflow.patch", "From ec8eb76\nSubject: Fix a buffer overflow\n---\n" + DIFF)


def test_layout_patches_are_left_and_fixes_taken_in_order() -> None:
    series = [OWN_FOLDER, LAYOUT, NAMED, PREDECESSOR, LATE_LAYOUT, IN_HEADER]
    assert security(series) == [NAMED, PREDECESSOR, IN_HEADER]


def test_a_cve_in_the_header_is_enough_and_one_in_the_code_is_not() -> None:
    assert security([LAYOUT, IN_HEADER]) == [IN_HEADER]
    assert security([LAYOUT, OWN_FOLDER]) == []


def test_a_fix_that_names_nothing_is_taken_when_it_is_listed() -> None:
    assert security([LAYOUT, UNNAMED]) == []
    assert security([LAYOUT, UNNAMED], {UNNAMED.name: "CVE-2026-34743"}) == [UNNAMED]


def test_a_cve_of_the_changelog_without_a_patch_is_found() -> None:
    changelog = (
        "krb5 (1.21.3-5+deb13u1) trixie; urgency=high\n\n  * Fix CVE-2026-40355 and CVE-2025-24528\n\n"
        "krb5 (1.21.3-1) unstable; urgency=high\n\n  * New upstream: CVE-2024-37370\n\n"
        "krb5 (1.21.2-1) unstable; urgency=high\n\n  * CVE-2023-0001\n"
    )
    assert unaccounted(changelog, [NAMED]) == ["CVE-2024-37370", "CVE-2026-40355"]
    assert unaccounted(changelog, [NAMED], ["CVE-2026-40355"]) == ["CVE-2024-37370"]


def test_without_patches_there_is_an_empty_series(tmp_path: Path) -> None:
    extract(None, [], tmp_path / "patches")
    assert (tmp_path / "patches" / "series").read_text() == ""


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, debian.Pin]:
    """The lock as it was committed: a build may have moved a pin since, which nobody has reviewed yet."""
    command = ["git", "-c", f"safe.directory={ROOT}", "show", f"HEAD:{debian.LOCK.relative_to(ROOT)}"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (tmp_path / "debian.json").write_text(text)
    monkeypatch.setattr(debian, "LOCK", tmp_path / "debian.json")
    return debian.read_lock()


def test_the_lock_takes_every_source_and_no_layout_of_debians(committed: dict[str, debian.Pin]) -> None:
    assert set(committed) == {source.name for source in debian.SOURCES}
    for pin in committed.values():
        assert not [name for name in pin.patches if name.startswith(("debian/", "debian-local/"))]
    assert any("CVE-" in name for name in committed["python3.13"].patches)


@pytest.mark.parametrize("source", debian.SOURCES, ids=lambda source: source.name)
def test_every_cve_of_debians_changelog_is_fixed_by_a_patch_or_known_to_be_fixed_upstream(
    source: debian.Source, committed: dict[str, debian.Pin]
) -> None:
    pin = committed[source.name]
    assert set(source.also) <= set(pin.patches)
    assert set(pin.unaccounted) == set(source.fixed_upstream)
    assert all(Version(version) <= Version(pin.upstream) for version in source.fixed_upstream.values())


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no archive", lambda data: b""])
def test_a_damaged_tarball_of_debians_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    tarball = tmp_path / "demo_1.debian.tar.xz"
    text = "".join(map(str, range(50_000)))
    tarball.write_bytes(damage(make_tar({"debian/patches/fix.patch": text}, lzma.compress)))
    with pytest.raises(ForgeError, match=r"demo_1\.debian\.tar\.xz can't be read"):
        extract(tarball, ["fix.patch"], tmp_path / "out")


def test_a_patch_that_the_tarball_does_not_hold_is_named(tmp_path: Path) -> None:
    tarball = tmp_path / "demo_1.debian.tar.xz"
    tarball.write_bytes(make_tar({"debian/patches/other.patch": ""}, lzma.compress))
    with pytest.raises(ForgeError, match=r"demo_1\.debian\.tar\.xz holds no patch fix\.patch"):
        extract(tarball, ["fix.patch"], tmp_path / "out")
