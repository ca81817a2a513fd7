"""What an upgrade finds: environments as they were before, and a database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hubctl.upgrading.journal import Before

HUB = Before("/opt/miniconda3/envs/jupyterhubenv", 3, ["hubforge-2026.10-0", "hubforge-base-1-0", "idna-3.0-py_0"])
BASE = Before("/opt/miniconda3", 1, ["hubforge-base-2026.10-0"])


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
