"""What an upgrade finds: environments as they were before, and a database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hubctl.revisions import Revision
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
