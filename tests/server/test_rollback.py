"""``hubctl rollback`` of an upgrade that had come to its end: the database, the hub, and what an interrupted one says.

conda and the hub are played here; tests/integration kills the real ones.
"""

import stat
import sys
from functools import partial
from pathlib import Path

import pytest
from hubctl import departure, rollback, upgrade
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.revisions import Revision
from hubctl.rollback import Plan
from hubctl.upgrading import course, database, journal, prefix
from kill_support import killed
from power_support import Power
from upgrading_support import HUB, make_database, numbers

pytest_plugins = ["upgrading_support"]

REVISION = Revision(1, "", "2026.10", 1, 0, 0)


@pytest.fixture
def verbs(server: Layout, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of the hub. Its database has the schema 2, which the hub of the revision does not know."""
    done: list[str] = []
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.go_back", lambda *_: None)
    monkeypatch.setattr(rollback, "packages", lambda *_: HUB.packages)
    monkeypatch.setattr(course, "_hubctl", lambda _, verb: done.append(verb))
    monkeypatch.setattr(course, "_has_moved", lambda begun: numbers(begun.database) == [2])
    server.database.unlink()
    make_database(server.database, 2)
    make_database(copy_of(server), 1)
    return done


def copy_of(server: Layout) -> Path:
    """The copy that an upgrade has left."""
    return server.state / database.BEFORE


def kept(server: Layout) -> list[Path]:
    return list(server.state.glob(f"{server.database.name}.before-rollback-*"))


def prepare(server: Layout, restart: bool = False, copy: bool = True) -> None:
    rollback._prepare(server, Plan(REVISION, restart, copy_of(server) if copy else None))


def go_back() -> int:
    return course.main(departure.folder(), back=True)


def test_what_the_database_held_stays_beside_it(server: Layout, verbs: list[str]) -> None:
    prepare(server)
    assert go_back() == 0
    assert (numbers(server.database), numbers(copy_of(server))) == ([1], [1])
    [path] = kept(server)
    assert (numbers(path), stat.S_IMODE(path.stat().st_mode)) == ([2], 0o600)
    assert verbs == ["stop"], "whatever may run by then"
    assert {path.name for path in server.state.iterdir()} == {server.database.name, database.BEFORE, path.name}


@pytest.mark.parametrize(("restart", "done"), [(True, ["stop", "start"]), (False, [])])
def test_a_hub_is_started_again_where_it_is_asked_for(
    server: Layout, verbs: list[str], capsys: pytest.CaptureFixture[str], restart: bool, done: list[str]
) -> None:
    prepare(server, restart, copy=False)
    assert go_back() == 0
    assert (numbers(server.database), kept(server), verbs) == ([2], [], done)
    said = capsys.readouterr().out
    assert "The environment is as in revision 1, release 2026.10." in said
    assert ("takes it up with `hubctl restart`" in said) == (not restart)


def test_a_hub_that_somebody_has_started_meanwhile_is_started_again(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(server)
    monkeypatch.setattr(course, "_runs", lambda _: True)
    assert go_back() == 0
    assert (numbers(server.database), verbs) == ([1], ["stop", "start"])


def test_killed_at_any_point_nothing_is_lost_and_the_same_again_finishes_it(server: Layout, verbs: list[str]) -> None:
    points, interrupted = 0, True
    while interrupted:
        points += 1
        for path in kept(server):
            path.unlink()
        server.database.unlink()
        make_database(server.database, 2)
        prepare(server, restart=True)
        interrupted = killed(go_back, points, server.root.parent)
        if departure.under_way():
            assert go_back() == 0
        assert numbers(server.database) == [1]
        assert [numbers(path) for path in kept(server)] == [[2]], "half of a copy counts as nothing"
    assert points > 8


def test_a_power_cut_takes_nothing_of_what_its_journal_speaks_of(server: Layout, verbs: list[str]) -> None:
    with Power(server.root.parent, journal.NAME) as power:
        prepare(server)
        assert power.cut() == set()
        go_back()
    assert set().union(*power.before_the_journal, *power.before_its_end) == set()


def test_a_step_of_the_host_that_fails_is_said_and_the_rest_is_done(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise prefix.FailedError("a step did not succeed")

    monkeypatch.setattr(course, "_set_up", fail)
    prepare(server)
    assert go_back() == course.HOST_STEP_FAILED
    assert "a step did not succeed; `hubctl setup` does it again" in capsys.readouterr().err
    assert numbers(server.database) == [1]
    assert not departure.under_way()


def test_packages_that_do_not_go_back_leave_the_database_and_the_same_command_goes_on(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise prefix.FailedError("conda is ill")

    prepare(server)
    with monkeypatch.context() as ill:
        ill.setattr("hubctl.upgrading.prefix.Prefix.go_back", fail)
        assert go_back() == 1
    assert capsys.readouterr().err == "hubctl: conda is ill. The same command goes on from here\n"
    assert (numbers(server.database), kept(server)) == ([2], [])
    assert go_back() == 0


# ---- one that was interrupted ----


def run(monkeypatch: pytest.MonkeyPatch, **options: bool | int) -> list[str]:
    """`hubctl rollback`, up to where another program goes on; what that is told."""
    told: list[str] = []

    def become(_: Path, arguments: list[str]) -> None:
        told.extend(arguments[1:])
        sys.exit()

    monkeypatch.setattr("os.execv", become)
    with pytest.raises(SystemExit):
        rollback.rollback(**options)  # type: ignore[arg-type]
    return told


@pytest.mark.parametrize("options", [{}, {"to": 1}, {"to": 2}], ids=["", "--to 1", "--to 2"])
def test_the_same_command_goes_on_without_a_question(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch, options: dict[str, int]
) -> None:
    monkeypatch.setattr(rollback, "read", lambda _: [REVISION, Revision(2, "", "2026.10", 0, 0, 0)])
    prepare(server)
    assert run(monkeypatch, **options) == ["--back"]


def test_restart_counts_when_it_is_gone_on_with_and_the_hub_runs(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(server)
    for runs in (None, 4711):
        monkeypatch.setattr("hubctl.status.hub_pid", lambda _, runs=runs: runs)
        run(monkeypatch, restart=True)
        begun = departure.under_way()
        assert begun
        assert begun.restart == (runs is not None)


@pytest.mark.parametrize(
    "command", [partial(rollback.rollback, to=0), upgrade.upgrade, partial(upgrade.upgrade, to="2026.12")]
)
def test_nothing_else_begins_before_it_has_come_to_its_end(
    server: Layout, verbs: list[str], monkeypatch: pytest.MonkeyPatch, command: partial[None]
) -> None:
    monkeypatch.setattr(rollback, "read", lambda _: [Revision(0, "", "2026.9", 1, 0, 0), REVISION])
    prepare(server)
    with pytest.raises(HubError, match=r"A rollback to revision 1 was interrupted.*`hubctl rollback` goes on with it"):
        command()
