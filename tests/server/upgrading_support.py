"""What an upgrade finds: environments as they were before, a server without a hub that runs, and a database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hubctl import upgrade
from hubctl.layout import Layout
from hubctl.revisions import Revision
from hubctl.upgrading import course
from hubctl.upgrading.journal import Before

HUB = Before("/opt/miniconda3/envs/jupyterhubenv", 3, ["hubforge-2026.10-0", "hubforge-base-1-0", "idna-3.0-py_0"])
BASE = Before("/opt/miniconda3", 1, ["hubforge-base-2026.10-0"])


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix whose hub's environment has had two revisions; it has no conda, and nothing here comes so far."""
    environment = tmp_path / "prefix/envs/jupyterhubenv"
    environment.mkdir(parents=True)
    (tmp_path / "prefix/.hubforge").mkdir()
    monkeypatch.setattr("hubctl.layout.environment", lambda: environment)
    found = [Revision(0, "", "2026.10", 1, 0, 0), Revision(1, "", "2026.11", 1, 0, 0)]
    monkeypatch.setattr("hubctl.rollback.read", lambda _: found)
    return tmp_path / "prefix"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A hub with a database of the schema 1, that does not run; conda and the release's own commands are played."""
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path / "prefix")
    monkeypatch.setattr(upgrade, "_before", lambda prefix: BASE if prefix.name == "prefix" else HUB)
    monkeypatch.setattr(upgrade, "wrong_files", list)
    monkeypatch.setattr("hubctl.upgrading.prefix.Prefix.bring", lambda *_: None)
    monkeypatch.setattr(course, "_set_up", lambda _: None)
    monkeypatch.setattr(course, "_verify", lambda _: None)
    monkeypatch.setattr(course, "_runs", lambda _: False)
    monkeypatch.setattr(course, "_has_moved", lambda _: False)
    layout = Layout(tmp_path / "root")
    layout.state.mkdir(parents=True)
    make_database(layout.database, 1)
    (tmp_path / "prefix/conda-meta").mkdir(parents=True)
    return layout


def make_database(path: Path, *rows: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(row,) for row in rows])
        connection.commit()


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM numbers")]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
