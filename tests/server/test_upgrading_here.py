"""What an upgrade does after conda, with the release that is here: its steps of setup, its JupyterHub."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ServerRoot
from hubctl.upgrading import course
from hubctl.upgrading.journal import Before, Journal
from hubctl.upgrading.lock import alone

OLD_SCHEMA = "4dc2d5a8c53c"
"""That of JupyterHub 1.5."""


@pytest.fixture
def under_way(server_root: ServerRoot, tmp_path: Path) -> Iterator[course.Course]:
    """An upgrade to what is here, while no hub runs; base is an empty folder."""
    hub, base = Before(sys.prefix, 0, []), Before(str(tmp_path / "base"), 0, [])
    Path(base.folder).mkdir()
    with alone(tmp_path / "lock") as held:
        journal = Journal(str(server_root.path), "2026.11", hub, base, altered=[], restart=False)
        yield course.Course(tmp_path, journal, held)


def asked(path: Path, query: str) -> list[str]:
    """The first column of what a database answers."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(query)]


def schema(path: Path) -> list[str]:
    return asked(path, "SELECT version_num FROM alembic_version")


def users(path: Path) -> list[str]:
    return asked(path, "SELECT name FROM users ORDER BY name")


def test_where_no_hub_runs_the_schema_is_changed_at_once_and_a_copy_is_as_before(
    server_root: ServerRoot, under_way: course.Course
) -> None:
    # the database is changed as root, and a hub that starts users' servers itself may not be that
    server_root.settings.write_text(server_root.settings.read_text().replace("spawner: local", "spawner: docker"))
    with closing(sqlite3.connect(under_way.database)) as made:
        made.executescript(Path(__file__).with_name("jupyterhub-1.5.sql").read_text())
    before = users(under_way.database)
    after = course._renew(under_way)
    assert after.journal.is_migrated
    assert not course._has_moved(after)
    assert users(after.database) == before != []
    assert (schema(after.copy), users(after.copy)) == ([OLD_SCHEMA], before)


def test_what_edited_settings_and_their_new_default_differ_in_is_shown(
    server_root: ServerRoot, under_way: course.Course, capfd: pytest.CaptureFixture[str]
) -> None:
    edited = server_root.settings.read_text()
    course._set_up(under_way)
    said = capfd.readouterr().out
    _, _, difference = said.partition("--- /etc/jupyterhub/hub.yaml\n+++ /etc/jupyterhub/hub.yaml.new\n")
    assert f"-port: {server_root.port}\n" in difference
    assert "+port: 8000  " in difference
    assert server_root.settings.read_text() == edited
