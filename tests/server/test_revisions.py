"""``hubctl history`` and ``hubctl rollback``: what they make of conda's revisions, and what they refuse."""

import subprocess
import sys

import pytest
from hubctl import revisions, rollback
from hubctl.errors import HubError

EVENTS = [
    {
        "rev": 0,
        "date": "2026-11-01 10:00:00",
        "install": ["hubforge-2026.10-0-hubforge/noarch", "idna-3.0-py_0-hubforge/noarch"],
        "remove": [],
        "upgrade": [],
        "downgrade": [],
    },
    {
        "rev": 1,
        "date": "2026-11-02 10:00:00",
        "install": ["mine-5.0-site_0-<unknown>"],
        "remove": [],
        "upgrade": [],
        "downgrade": [],
    },
    {
        "rev": 2,
        "date": "2026-12-01 10:00:00",
        "install": [],
        "remove": ["only-before-2026.10-0-hubforge/noarch"],
        "upgrade": [{"old": "hubforge-2026.10-0-hubforge/noarch", "new": "hubforge-2026.12-0-hubforge/noarch"}],
        "downgrade": [{"old": "idna-3.0-py_0-hubforge/noarch", "new": "idna-2.9-py_0-hubforge/noarch"}],
    },
]
"""As `conda list --revisions --json` has them."""


def test_every_revision_is_shown_with_the_release_that_it_had() -> None:
    found = list(revisions._revisions(EVENTS))
    assert [(entry.number, entry.release) for entry in found] == [(0, "2026.10"), (1, "2026.10"), (2, "2026.12")]
    assert (found[2].changed, found[2].added, found[2].removed) == (2, 0, 1)


def test_a_removed_metapackage_leaves_no_release() -> None:
    removal = {**EVENTS[1], "rev": 3, "install": [], "remove": ["hubforge-2026.12-0-hubforge/noarch"]}
    assert list(revisions._revisions([*EVENTS, removal]))[3].release is None


@pytest.mark.parametrize(("wanted", "number"), [(None, 1), (0, 0), (1, 1)])
def test_without_a_number_the_one_before_is_meant(wanted: int | None, number: int) -> None:
    assert rollback._earlier(list(revisions._revisions(EVENTS)), wanted).number == number


def test_what_a_killed_conda_has_left_is_not_gone_back_to() -> None:
    half = {**EVENTS[1], "rev": 2, "install": [], "remove": ["hubforge-2026.10-0-hubforge/noarch"]}
    done = {**EVENTS[1], "rev": 3, "install": ["hubforge-2026.12-0-hubforge/noarch"]}
    assert rollback._earlier(list(revisions._revisions([*EVENTS[:2], half, done])), None).number == 1


@pytest.mark.parametrize("wanted", [None, 2])
def test_a_revision_without_changes_is_the_one_before_it(wanted: int | None) -> None:
    """conda takes it for an environment without packages, and going there would remove them all."""
    nothing = {**EVENTS[1], "rev": 2, "install": []}
    done = {**EVENTS[1], "rev": 3, "install": ["hubforge-2026.12-0-hubforge/noarch"]}
    assert rollback._earlier(list(revisions._revisions([*EVENTS[:2], nothing, done])), wanted).number == 1


def test_a_last_revision_without_changes_is_not_gone_back_from_to_what_is_there() -> None:
    nothing = {**EVENTS[1], "rev": 3, "install": []}
    assert rollback._earlier(list(revisions._revisions([*EVENTS, nothing])), None).number == 1


@pytest.mark.parametrize(
    ("events", "wanted", "said"),
    [(EVENTS, 2, "revision 2 already"), (EVENTS, 9, "from 0 to 2"), (EVENTS[:1], None, "no earlier revision")],
)
def test_what_cannot_be_gone_back_to_is_refused(events: list[dict[str, object]], wanted: int | None, said: str) -> None:
    with pytest.raises(HubError, match=said):
        rollback._earlier(list(revisions._revisions(events)), wanted)


@pytest.mark.parametrize("command", ["history", "rollback"])
def test_without_conda_one_line_says_so(command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "hubctl", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "bin/conda is not there" in done.stderr
    assert "Traceback" not in done.stderr
