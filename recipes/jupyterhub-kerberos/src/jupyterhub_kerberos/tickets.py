"""Users' tickets: obtained with the password, looked at, renewed without it."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jupyterhub_kerberos import errors, programs
from jupyterhub_kerberos.cache import CACHE_NAME, TicketFolders
from jupyterhub_kerberos.errors import KdcUnreachableError, TicketError
from jupyterhub_kerberos.kdc import Verifier
from jupyterhub_kerberos.programs import Account, Result

_KINIT_SAYS: tuple[tuple[str, type[TicketError]], ...] = (
    ("Cannot contact any KDC", errors.KdcUnreachableError),
    ("Cannot find KDC", errors.KdcUnreachableError),
    ("Cannot resolve", errors.KdcUnreachableError),
    ("Password incorrect", errors.WrongPasswordError),
    ("Preauthentication failed", errors.WrongPasswordError),
    ("Password has expired", errors.PasswordExpiredError),
    ("Password expired", errors.PasswordExpiredError),
    ("Clock skew", errors.ClockSkewError),
    ("not found in Kerberos database", errors.AccountRefusedError),
    ("credentials have been revoked", errors.AccountRefusedError),
    ("entry in database has expired", errors.AccountRefusedError),
)
"""Why a kinit that failed did so, in MIT's untranslated words; whether it failed is for its exit code to say."""

_DATE = r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d"


@dataclass(frozen=True)
class Ticket:
    """A ticket-granting ticket's times."""

    start: datetime
    end: datetime
    renew_until: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether services accept it."""
        return now < self.end

    def is_due(self, now: datetime) -> bool:
        """Whether half of its lifetime is gone, and renewal makes it last longer."""
        half = self.start + (self.end - self.start) / 2
        return now >= half and self.renew_until is not None and self.renew_until > self.end


def parse_klist(text: str, realm: str) -> Ticket | None:
    """The realm's ticket-granting ticket in what ``klist`` prints in the C locale and in UTC, None if it has none."""
    principal = re.escape(f"krbtgt/{realm}@{realm}")
    renewal = rf"(?:\n\s+renew until ({_DATE}))?"
    match = re.search(rf"^({_DATE})\s+({_DATE})\s+{principal}$" + renewal, text, re.MULTILINE)
    if match is None:
        return None
    start, end, until = (_parse_date(group) for group in match.groups())
    assert start is not None and end is not None
    return Ticket(start, end, until)


def _parse_date(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC) if text else None


@dataclass(frozen=True)
class TicketOffice:
    """Gets and keeps the tickets of one realm's users.

    ``lifetime`` and ``renewable`` are durations as kinit reads them (``10h``, ``7d``); ``limit`` is the time in seconds
    for each program. Without ``keytab`` (None) the KDC is not verified.
    """

    folders: TicketFolders
    realm: str
    keytab: Path | None
    lifetime: str
    renewable: str
    limit: float
    krb5_conf: str = ""

    async def obtain(self, account: Account, password: str) -> None:
        """Gets a ticket with the password, checks the KDC, and puts the ticket into the user's folder.

        Raises:
            TicketError: there is no ticket; one that was there before is still there.
        """
        principal = f"{account.name}@{self.realm}"
        if "\n" in password or "\0" in password:
            raise errors.WrongPasswordError(f"the password of {principal} holds a character that Kerberos cannot take")
        async with self._new_cache(account) as name:
            path = self.folders.of(account.name) / name
            options = ["-f", "-l", self.lifetime, "-r", self.renewable, "-c", f"FILE:{path}"]
            result = await self._ask_kdc("kinit", *options, principal, account=account, stdin=password)
            if result.code:
                raise self._refusal(principal, result)
            if self.keytab is not None:
                verifier = Verifier(self.keytab, self.realm, self.krb5_conf, self.limit)
                await verifier.verify(self.folders.read(account, name), self.folders.root)
            await self._move_into_place(account, path)

    async def status(self, account: Account) -> Ticket | None:
        """The ticket in the user's folder, valid or not; None if there is none."""
        cache = self.folders.cache(account.name)
        result = await programs.run(
            "klist", "-c", f"FILE:{cache}", account=account, krb5_conf=self.krb5_conf, limit=self.limit
        )
        return None if result.code else parse_klist(result.stdout, self.realm)

    async def renew(self, account: Account) -> None:
        """Renews the ticket in the user's folder; what reads it never sees a half-written one.

        Raises:
            TicketError: it was not renewed, and is as it was.
        """
        cache = self.folders.cache(account.name)
        async with self._new_cache(account) as name:
            path = self.folders.of(account.name) / name
            await self._as_user(account, "cp", "--", str(cache), str(path))
            result = await self._ask_kdc("kinit", "-R", "-c", f"FILE:{path}", account=account)
            if result.code:
                raise self._refusal(f"{account.name}@{self.realm}", result)
            await self._move_into_place(account, path)

    @asynccontextmanager
    async def _new_cache(self, account: Account) -> AsyncIterator[str]:
        """A name in the user's folder for a new cache; a file that is left there is removed at the end."""
        try:
            folder = await asyncio.to_thread(self.folders.make, account)
            name = f".{CACHE_NAME}-{secrets.token_hex(8)}"
            try:
                yield name
            finally:
                await self._as_user(account, "rm", "-f", "--", str(folder / name))
        except OSError as error:
            raise TicketError(f"ticket folder of {account.name}: {error}") from error

    async def _ask_kdc(self, *command: str, account: Account, stdin: str | None = None) -> Result:
        secret = None if stdin is None else f"{stdin}\n".encode()
        try:
            return await programs.run(
                *command, account=account, stdin=secret, krb5_conf=self.krb5_conf, limit=self.limit
            )
        except TimeoutError as error:
            raise KdcUnreachableError(f"no KDC of {self.realm} answered within {self.limit:g} s") from error

    async def _as_user(self, account: Account, *command: str) -> None:
        """Does something in the user's folder with the user's rights alone, so that no link leads further."""
        result = await programs.run(*command, account=account, limit=self.limit)
        if result.code:
            raise TicketError(f"ticket folder of {account.name}: {result.said}")

    async def _move_into_place(self, account: Account, path: Path) -> None:
        target = self.folders.cache(account.name)
        await self._as_user(account, "mv", "-fT", "--", os.fspath(path), os.fspath(target))

    def _refusal(self, principal: str, result: Result) -> TicketError:
        said = result.stderr + result.stdout
        kind = next((kind for words, kind in _KINIT_SAYS if words in said), TicketError)
        return kind(f"kinit for {principal}: {result.said}")
