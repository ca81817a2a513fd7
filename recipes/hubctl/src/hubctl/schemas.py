"""Whether the hub of another revision understands the database, and which copy from before it would understand."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from hubctl.errors import HubError
from hubctl.layout import Layout

_REVISION = re.compile(r"""^revision(?:: str)? = ['"](\w+)['"]""", re.MULTILINE)
"""In a script of alembic's, as its template has it (alembic.sqlalchemy.org, tutorial). The scripts of another release
can't be run here: they import what that release has."""


def fitting_copy(layout: Layout, package: Path) -> Path | None:
    """The copy that has to take the database's place for a hub of an earlier JupyterHub.

    Args:
        layout: whose database it is.
        package: where conda's cache has that JupyterHub.

    Returns:
        None where none has to: the hub understands the database, or there is none in our place. Also where the package
        is not there, without which conda does not go back either.

    Raises:
        HubError: it does not understand it, and no copy that it understands is there.
    """
    known = _known(package)
    if not known or not layout.database.is_file():
        return None
    try:
        schema = _schema(layout.database)
    except sqlite3.Error as error:
        raise HubError(f"{layout.database} can't be read: {error}", "run this as root") from None
    if schema is None or schema in known:  # an older one, the hub brings to its own at its start
        return None
    for copy in sorted(_copies(layout.database), key=lambda path: path.stat().st_mtime, reverse=True):
        if _is_known(copy, known):
            return copy
    raise HubError(
        f"The hub of that revision does not know the schema that {layout.database} has, and no copy from before lies "
        "beside it",
        "`hubctl restore` a backup of that release first; or move the database away, and the hub makes an empty one",
    )


def _known(package: Path) -> set[str]:
    """The schemas that a JupyterHub knows: its own, and all before it."""
    scripts = (package / "site-packages/jupyterhub/alembic/versions").glob("*.py")
    return {revision for script in scripts for revision in _REVISION.findall(script.read_text(encoding="utf-8"))}


def _copies(path: Path) -> list[Path]:
    """What lies beside a database: of `hubctl upgrade`, of JupyterHub at its start, of the administrator."""
    return [copy for copy in path.parent.glob(f"{path.name}.*") if copy.is_file() and copy.suffix != ".partial"]


def _is_known(copy: Path, known: set[str]) -> bool:
    try:
        return _schema(copy) in known
    except sqlite3.Error:
        return False


def _schema(path: Path) -> str | None:
    """What alembic has noted; None for a database of before there was such a note, or an empty one."""
    # not mode=ro: what a killed hub was at has to be undone first
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None
