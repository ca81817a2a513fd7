"""What `hubctl rollback` makes of a database that the hub of the revision gone back to does not understand."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from hubctl import schemas
from hubctl.errors import HubError
from hubctl.layout import Layout
from jupyterhub import orm
from jupyterhub.dbutil import ALEMBIC_DIR


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A server with a database that JupyterHub has made."""
    layout = Layout(tmp_path / "root")
    layout.state.mkdir(parents=True)
    orm.new_session_factory(f"sqlite:///{layout.database}")().close()
    return layout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """JupyterHub as conda unpacks it."""
    folder = tmp_path / "pkgs/jupyterhub-1.0-py_0/site-packages/jupyterhub"
    folder.mkdir(parents=True)
    (folder / "alembic").symlink_to(ALEMBIC_DIR)
    return folder.parents[1]


def of_a_newer_release(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of_the_future'")
        connection.commit()


def copy_of(layout: Layout, name: str, hours: int) -> Path:
    """A copy of the database, so many hours old."""
    copy = layout.state / f"{layout.database.name}.{name}"
    copy.write_bytes(layout.database.read_bytes())
    then = layout.database.stat().st_mtime - 3600 * hours
    os.utime(copy, (then, then))
    return copy


def test_all_of_jupyterhubs_schemas_are_known_without_running_its_scripts(package: Path) -> None:
    known = {script.revision for script in ScriptDirectory(ALEMBIC_DIR).walk_revisions()}
    assert schemas._known(package) == known
    assert len(known) > 10


def test_a_database_that_is_understood_stays(layout: Layout, package: Path) -> None:
    copy_of(layout, "before-upgrade", 1)
    assert schemas.fitting_copy(layout, package) is None
    with closing(sqlite3.connect(layout.database)) as connection:
        connection.execute("DROP TABLE alembic_version")  # of before JupyterHub 0.8, which the hub guesses
        connection.commit()
    assert schemas.fitting_copy(layout, package) is None
    layout.database.unlink()
    assert schemas.fitting_copy(layout, package) is None


def test_the_newest_copy_that_is_understood_takes_the_place_of_one_that_is_not(layout: Layout, package: Path) -> None:
    copy_of(layout, "2026-10-01-120000", 30)
    wanted = copy_of(layout, "before-upgrade", 20)
    of_a_newer_release(layout.database)
    copy_of(layout, "2026-11-01-120000", 10)  # as a hub makes one that does not start with it
    (layout.state / "jupyterhub.sqlite.empty").touch()
    (layout.state / "jupyterhub.sqlite.txt").write_text("no database")
    assert schemas.fitting_copy(layout, package) == wanted


def test_without_such_a_copy_it_is_refused_with_what_to_do(layout: Layout, package: Path) -> None:
    of_a_newer_release(layout.database)
    copy_of(layout, "before-upgrade", 1)
    with pytest.raises(HubError, match="no copy from before") as refused:
        schemas.fitting_copy(layout, package)
    assert "hubctl restore" in refused.value.do
