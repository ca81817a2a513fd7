"""What the hub reads at its start, beside the settings: its database, and the administrator's Python."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from hubctl import hostcheck
from hubctl import layout as places
from hubctl.doctor.finding import Finding, fault, ok
from hubctl.layout import Layout
from hubctl.settings import Settings

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""sqlite.org, Result and Error Codes."""


def database(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether it is whole, and of a JupyterHub that this one can go on from."""
    path = layout.database
    if not path.exists():
        yield ok(f"{path} is not there yet: the first start makes it")
        return
    try:
        problem, schema = _look_into(path)
    except sqlite3.Error as error:
        if error.sqlite_errorcode not in _DAMAGED:
            yield fault(
                f"{path} can't be looked into ({error})",
                f"run this as the user that the hub runs as; `fuser {path}` shows who else has it open",
            )
            return
        problem, schema = str(error), None
    if problem:
        yield fault(
            f"{path} is damaged ({problem})",
            f"`hubctl stop`; mv {path} {path}.damaged; then `hubctl restore FILE` brings a backup back. Without one"
            " `hubctl start` makes a new database: users log in again, and containers that run are not found again",
        )
    else:
        yield _fit(path, schema)


def _look_into(path: Path) -> tuple[str, str | None]:
    """What SQLite finds wrong (empty: nothing), and the revision of the schema, which an empty file has none of.

    Raises:
        sqlite3.Error: it is no database, or can't be opened.
    """
    # not mode=ro: what a killed hub was at has to be undone first, as whoever reads does
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        query = "SELECT version_num FROM alembic_version"
        row = connection.execute(query).fetchone() if "alembic_version" in tables else None
    return ("" if found == "ok" else found), (row[0] if row else None)


def _fit(path: Path, schema: str | None) -> Finding:
    """Older schemas, and those without a mark, JupyterHub brings up to its own when it starts (`upgrade_db`)."""
    from alembic.script import ScriptDirectory
    from jupyterhub.dbutil import ALEMBIC_DIR

    ours = ScriptDirectory(ALEMBIC_DIR)
    if schema is not None and schema not in {script.revision for script in ours.walk_revisions()}:
        return fault(
            f"{path} has the schema {schema}, which JupyterHub {version('jupyterhub')} does not know: a newer one has"
            " written it",
            "`hubctl upgrade` to the release that it is of, or `hubctl restore FILE` from a backup of this one",
        )
    if schema == ours.get_current_head():
        return ok(f"{path} is whole, and has the schema of JupyterHub {version('jupyterhub')}")
    return ok(f"{path} is whole, and the next start gives it the schema of JupyterHub {version('jupyterhub')}")


def python(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether Python can read the files that the hub executes; they are not executed here."""
    wrong = list(hostcheck.unreadable_python(layout))
    for path, line, problem in wrong:
        yield fault(f"{path}:{line}: {problem}", "correct that line; the hub does not start")
    if not wrong:
        yield ok(f"Python can read {places.hub_config()}, and what there is in {layout.config_folder}")
