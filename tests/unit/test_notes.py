"""The table in a release's notes: what has changed, and why."""

import pytest

from forge import notes
from forge.errors import ForgeError

BEFORE = {"tool": "1.2.3 h1_0", "gone": "1 0", "same": "1 0", "series": "1.9 0", "kept": "2.0 h1_0", "back": "2.0 0"}
AFTER = {"tool": "1.3.0 h2_0", "new": "5 0", "same": "1 0", "series": "2.0 0", "kept": "2.0 h2_0", "back": "1.9 0"}


def rows(reasons: str = "", patches: dict[str, str] | None = None) -> dict[str, str]:
    """Each row by its package."""
    stated = notes.read_reasons(reasons, "reasons.txt")
    text = notes.write("2026.12", "2026.11", {"base": BEFORE}, {"base": AFTER}, stated, patches or {})
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}


def test_every_package_that_changed_has_a_row_and_no_other() -> None:
    assert rows().keys() == {"package", "tool", "gone", "new", "series", "kept", "back"}
    assert rows()["tool"] == "| tool | 1.2.3 | 1.3.0 | feature |"
    assert rows()["gone"] == "| gone | 1 | - | removed |"
    assert rows()["new"] == "| new | - | 5 | new |"
    assert rows()["series"] == "| series | 1.9 | 2.0 | feature, new series |"
    assert rows()["back"] == "| back | 2.0 | 1.9 | went back |"


def test_a_rebuilt_package_shows_its_builds() -> None:
    assert rows()["kept"] == "| kept | 2.0 h1_0 | 2.0 h2_0 | rebuilt |"


def test_what_was_written_down_counts_more_than_the_version() -> None:
    assert rows("tool 1.3.0: security, CVE-2026-1")["tool"].endswith("| security, CVE-2026-1 |")


def test_a_release_that_skips_a_version_still_names_what_that_mended() -> None:
    told = "tool 1.2.3: known before\ntool 1.2.4: security, CVE-2026-1\ntool 1.3.0: new pages\ntool 1.3.1: to come\n"
    assert rows(told)["tool"].endswith("| security, CVE-2026-1; new pages |")


def test_the_reason_of_one_build_is_told_of_that_build_alone() -> None:
    assert rows("# a comment\n\nkept 2.0 h2_0: security, a patch")["kept"].endswith("| security, a patch |")
    assert rows("kept 2.0 h3_0: security, a patch")["kept"].endswith("| rebuilt |")


def test_debians_security_patches_that_came_are_told_of_every_package_built_with_them() -> None:
    before = {"xz": ["CVE-2025-1.patch"], "zlib": []}
    after = {"xz": ["CVE-2025-1.patch", "CVE-2026-3.patch", "CVE-2026-2-part-1.patch"], "zlib": ["no-crash.patch"]}
    packages = {"xz": ["kept", "tool"], "zlib": ["same"], "bzip2": ["gone"]}
    patches = notes.patched(before, after, packages)
    assert rows(patches=patches)["kept"].endswith("| security, CVE-2026-2, CVE-2026-3 |")
    assert rows("tool 1.3.0: new pages", patches)["tool"].endswith("| new pages; security, CVE-2026-2, CVE-2026-3 |")
    assert patches["same"] == "fix, Debian's no-crash.patch"
    assert "same" not in rows(patches=patches), "a package that has not changed has no row"


def test_a_line_of_another_form_is_named_with_its_number() -> None:
    with pytest.raises(ForgeError, match=r"reasons\.txt:2: .*tool is better"):
        notes.read_reasons("tool 1: why\ntool is better now\n", "reasons.txt")


def test_an_environment_without_changes_says_so() -> None:
    text = notes.write("2026.12", "2026.11", {"base": BEFORE}, {"base": BEFORE}, [], {})
    assert "Nothing has changed." in text
    assert "2026.11" in text
