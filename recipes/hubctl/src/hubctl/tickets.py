"""Users' Kerberos tickets, as the hub keeps them."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from hubctl.layout import Layout
from hubctl.settings import Settings

_SECONDS = 10
"""How long klist may take."""


@dataclass(frozen=True)
class Ticket:
    """A user's ticket cache.

    Attributes:
        cache: the file.
        principal: whose ticket it is; empty where the cache holds none of the realm's.
        start: ISO 8601, UTC, as all dates; None where there is no ticket.
        renewable_until: None where it can't be renewed.
        valid: whether services accept it now.
    """

    user: str
    cache: str
    principal: str
    start: str | None
    end: str | None
    renewable_until: str | None
    valid: bool

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def find(settings: Settings, layout: Layout, user: str | None = None) -> list[Ticket]:
    """The caches of all users, or of one. Another user's can be read by root alone.

    Raises:
        HubError: there is no realm.
    """
    # loaded here: hubs without Kerberos need not have it
    import asyncio

    from jupyterhub_kerberos.cache import CACHE_NAME

    if not layout.tickets.is_dir():
        return []
    names = [user] if user else sorted(entry.name for entry in layout.tickets.iterdir() if entry.is_dir())
    there = [name for name in names if (layout.tickets / name / CACHE_NAME).is_file()]
    return asyncio.run(_look(settings, layout, there))


async def _look(settings: Settings, layout: Layout, names: list[str]) -> list[Ticket]:
    import asyncio

    from jupyterhub_kerberos.cache import TicketFolders
    from jupyterhub_kerberos.tickets import TicketOffice

    from hubctl.doctor.kerberos import krb5_conf, realm_of

    folders = TicketFolders(layout.tickets)
    office = TicketOffice(folders, realm_of(settings), None, "", "", _SECONDS, krb5_conf())
    at_once = asyncio.Semaphore(8)

    async def look(name: str) -> Ticket:
        async with at_once:
            return await _look_at(office, name)

    return list(await asyncio.gather(*map(look, names)))


async def _look_at(office: Any, name: str) -> Ticket:
    from jupyterhub_kerberos.errors import TicketError
    from jupyterhub_kerberos.programs import Account

    cache = str(office.folders.cache(name))
    try:
        found = await office.status(Account.of(name))
    except (KeyError, TicketError, OSError):
        found = None  # the user is gone, or klist is
    if found is None:
        return Ticket(name, cache, "", None, None, None, False)
    until = found.renew_until.isoformat() if found.is_renewable else None
    valid = found.is_valid(datetime.now(UTC))
    return Ticket(name, cache, found.principal, found.start.isoformat(), found.end.isoformat(), until, valid)
