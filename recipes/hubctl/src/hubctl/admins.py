"""Who has the admin page: by the settings, by a group, or by what the hub's database remembers."""

import grp
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings


@dataclass(frozen=True)
class Admin:
    """An administrator.

    Attributes:
        by: what makes the user one: ``admin_users``, ``group NAME``, or ``the admin page``, which the database keeps.
    """

    name: str
    by: str


def find(settings: Settings, layout: Layout) -> list[Admin]:
    """All of them, those of the settings first; each is told once.

    Raises:
        HubError: the database is damaged.
    """
    found = dict.fromkeys(settings.admin_users, "admin_users")
    if settings.auth != "shared-password":
        for group in settings.admin_groups:
            for name in _members(group):
                found.setdefault(name, f"group {group}")
    for name in _remembered(layout):
        found.setdefault(name, "the admin page")
    return [Admin(name, by) for name, by in found.items()]


def _members(group: str) -> list[str]:
    """Those whom the host lists; whose first group it is, it does not list."""
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def _remembered(layout: Layout) -> list[str]:
    """JupyterHub's table of users, which an administrator stays one in until somebody changes it."""
    if not layout.database.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{layout.database}?mode=ro", uri=True)) as database:
            return [name for (name,) in database.execute("SELECT name FROM users WHERE admin ORDER BY name")]
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):  # the hub has not made its tables yet
            return []
        raise _unusable(layout, error) from None


def forget(layout: Layout, name: str) -> None:
    """Takes the rights away in the database of a hub that does not run.

    Raises:
        HubError: it is damaged, or of another release.
    """
    if not layout.database.exists():
        return
    from jupyterhub import orm, roles
    from sqlalchemy.exc import DatabaseError

    try:
        session = orm.new_session_factory(f"sqlite:///{layout.database}")()
    except orm.DatabaseSchemaMismatch:
        raise HubError(
            f"{layout.database} is of another release", "`hubctl start` brings it to this one; then try again"
        ) from None
    except DatabaseError as error:
        raise _unusable(layout, error.orig) from None
    try:
        user = orm.User.find(session, name)
        if user and user.admin:
            user.admin = False
            roles.assign_default_roles(session, entity=user)
            session.commit()
    except DatabaseError as error:
        raise _unusable(layout, error.orig) from None
    finally:
        session.close()


def _unusable(layout: Layout, error: BaseException | None) -> HubError:
    do = "try again; if it says so still, `hubctl restore` puts back the one of a backup"
    return HubError(f"{layout.database} can't be used: {error}", do)
