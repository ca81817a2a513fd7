"""Which of Debian's patches are taken: texts as they stand in the real series."""

from pathlib import Path

from forge.sources import debian
from forge.sources.patches import Patch, extract, security, unaccounted

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


def test_the_shipped_lock_takes_the_known_fixes() -> None:
    pins = debian.read_lock()
    assert set(pins) == {source.name for source in debian.SOURCES}
    for source in debian.SOURCES:
        taken = pins[source.name].patches
        assert not [name for name in taken if name.startswith(("debian/", "debian-local/"))]
        assert all(
            not pins[source.name].unaccounted or cve not in source.also.values()
            for cve in pins[source.name].unaccounted
        )
    assert any("CVE-" in name for name in pins["python3.13"].patches)
