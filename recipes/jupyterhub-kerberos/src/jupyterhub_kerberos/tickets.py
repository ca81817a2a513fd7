"""Users' tickets: obtained with the password, looked at, renewed without it."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jupyterhub_kerberos import errors, programs
from jupyterhub_kerberos.cache import CACHE_NAME, TicketFolders
from jupyterhub_kerberos.errors import KdcUnreachableError, TicketError
from jupyterhub_kerberos.kdc import Verifier
from jupyterhub_kerberos.programs import Account, Result

_SAYS: tuple[tuple[str, type[TicketError]], ...] = (
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
    ("No space left", errors.NoSpaceError),
    ("Disk quota exceeded", errors.NoSpaceError),
)
"""Why a program that failed did so, in its untranslated words; whether it failed is for its exit code to say."""

_WHATEVER_THE_PASSWORD = (
    errors.AccountRefusedError,
    errors.ClockSkewError,
    errors.KdcUnreachableError,
    errors.PasswordExpiredError,
)
"""What PAM's stacks turn into a wrong password: Debian's asks the next module, which knows the user's password no more
than it should."""

SKEW = timedelta(minutes=5)
"""How far apart clocks may be; MIT's and Active Directory's default. kinit corrects more than that by itself, for MIT's
programs alone: Java's would refuse the ticket."""

LITTLE_SPACE = 64 * 1024
"""Bytes that a file system has at least, if it is not its being full that makes programs fail."""

_DATE = r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d"


@dataclass(frozen=True)
class Ticket:
    """A ticket-granting ticket: its times, and whose it is."""

    start: datetime
    end: datetime
    renew_until: datetime | None = None
    principal: str = ""

    def is_valid(self, now: datetime) -> bool:
        """Whether services accept it."""
        return now < self.end

    @property
    def is_renewable(self) -> bool:
        """Whether renewal makes it last longer."""
        return self.renew_until is not None and self.renew_until > self.end

    def is_due(self, now: datetime) -> bool:
        """Whether to renew it: after a third of its lifetime, so that it happens before half of it is gone."""
        return self.is_renewable and now >= self.start + (self.end - self.start) / 3

    def is_last_call(self, now: datetime) -> bool:
        """Whether to ask for the password while it still works: it is nearly over, and can't be renewed."""
        return not self.is_renewable and now >= self.end - min(timedelta(minutes=15), (self.end - self.start) / 10)


def parse_klist(text: str, realm: str) -> Ticket | None:
    """The realm's ticket-granting ticket in what ``klist`` prints in the C locale and in UTC, None if it has none."""
    principal = re.escape(f"krbtgt/{realm}@{realm}")
    renewal = rf"(?:\n\s+renew until ({_DATE}))?"
    match = re.search(rf"^({_DATE})\s+({_DATE})\s+{principal}$" + renewal, text, re.MULTILINE)
    if match is None:
        return None
    start, end, until = (_parse_date(group) for group in match.groups())
    assert start is not None and end is not None
    owner = re.search(r"^Default principal: (.+)$", text, re.MULTILINE)
    return Ticket(start, end, until, owner[1] if owner else "")


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

    async def obtain(self, account: Account, password: str) -> Ticket:
        """Gets a ticket with the password, checks the KDC, and puts the ticket into the user's folder.

        Raises:
            TicketError: there is no ticket; one that was there before is still there.
        """
        principal = self._principal(account)
        if "\n" in password or "\0" in password:
            raise errors.WrongPasswordError(f"the password of {principal} holds a character that Kerberos cannot take")
        async with self._new_cache(account) as path:
            options = ["-f", "-l", self.lifetime, "-r", self.renewable, "-c", f"FILE:{path}"]
            result = await self._ask_kdc("kinit", *options, principal, account=account, stdin=f"{password}\n".encode())
            if result.code:
                raise self._refusal(principal, result)
            return await self._take(account, path, just_made=True)

    async def ask_why(self, account: Account) -> None:
        """Asks the KDC about a principal whose password PAM has refused. Sends none: that counts as no wrong guess.

        Raises:
            TicketError: no password would do: the account or its password has ended, or the KDC cannot be asked.
        """
        principal = self._principal(account)
        result = await self._ask_kdc("kinit", "-c", "MEMORY:", principal, account=account, stdin=b"")
        refusal = self._refusal(principal, result)
        if isinstance(refusal, _WHATEVER_THE_PASSWORD):
            raise refusal

    async def adopt(self, account: Account, content: bytes, *, just_made: bool) -> Ticket:
        """Puts a cache that somebody else has got for the user into the user's folder, after the same checks.

        Args:
            content: of a FILE cache.
            just_made: whether it should be as new as this login.

        Raises:
            UnusableTicketError: it is not the user's, or over.
            ClockSkewError: it is not as new as it should be, or from the future.
            TicketError: something else is wrong. In any case, one that was there before is still there.
        """
        async with self._new_cache(account) as path:
            # written with the user's rights, so that no link leads further
            await self._as_user(account, "dd", f"of={path}", "conv=excl", "status=none", stdin=content)
            return await self._take(account, path, just_made=just_made)

    async def status(self, account: Account) -> Ticket | None:
        """The ticket in the user's folder, valid or not; None if there is none."""
        return await self._look(account, self.folders.cache(account.name))

    async def renew(self, account: Account) -> None:
        """Renews the ticket in the user's folder; what reads it never sees a half-written one.

        A ticket that has come or gone meanwhile is left as it is.

        Raises:
            TicketError: it was not renewed, and is as it was.
        """
        cache = self.folders.cache(account.name)
        before = self.folders.identity(account.name)
        async with self._new_cache(account) as path:
            await self._as_user(account, "cp", "--", str(cache), str(path))
            result = await self._ask_kdc("kinit", "-R", "-c", f"FILE:{path}", account=account)
            if result.code:
                raise self._refusal(self._principal(account), result)
            if self.folders.identity(account.name) == before:
                await self._as_user(account, "mv", "-fT", "--", str(path), str(cache))

    async def destroy(self, account: Account) -> None:
        """Overwrites and removes the ticket in the user's folder, if there is one.

        Raises:
            TicketError: it is still there.
        """
        if self.folders.identity(account.name) is not None:
            await self._as_user(account, "kdestroy", "-q", "-c", f"FILE:{self.folders.cache(account.name)}")

    def _principal(self, account: Account) -> str:
        return f"{account.name}@{self.realm}"

    async def _look(self, account: Account, path: Path) -> Ticket | None:
        command = ("klist", "-c", f"FILE:{path}")
        result = await programs.run(*command, account=account, krb5_conf=self.krb5_conf, limit=self.limit)
        return None if result.code else parse_klist(result.stdout, self.realm)

    async def _take(self, account: Account, path: Path, *, just_made: bool) -> Ticket:
        """Checks a new cache and the KDC that it is from, then replaces the old one by it, in one step."""
        ticket = await self._look(account, path)
        if ticket is None or ticket.principal.casefold() != self._principal(account).casefold():
            raise errors.UnusableTicketError(f"the new cache holds no ticket of {self._principal(account)}")
        now = datetime.now(UTC)
        if ticket.start - now > SKEW or (just_made and now - ticket.start > SKEW):
            raise errors.ClockSkewError(f"the KDC of {self.realm} has {ticket.start}, this host {now}: Clock skew")
        if not ticket.is_valid(now):
            raise errors.UnusableTicketError(f"the ticket of {self._principal(account)} was over at {ticket.end}")
        if self.keytab is not None:
            await self._verify(self.keytab, self.folders.read(account, path.name))
        await self._as_user(account, "mv", "-fT", "--", str(path), str(self.folders.cache(account.name)))
        return ticket

    async def _verify(self, keytab: Path, cache: bytes) -> None:
        verifier = Verifier(keytab, self.realm, self.krb5_conf, self.limit)
        try:
            await verifier.verify(cache, self.folders.root)
        except errors.KdcNotGenuineError as error:
            if self._is_full():  # the proof could not be stored
                raise errors.NoSpaceError(str(error)) from error
            raise

    @asynccontextmanager
    async def _new_cache(self, account: Account) -> AsyncIterator[Path]:
        """A name in the user's folder for a new cache; a file that is left there is removed at the end."""
        try:
            folder = await asyncio.to_thread(self.folders.make, account)
            path = folder / f".{CACHE_NAME}-{secrets.token_hex(8)}"
            try:
                yield path
            finally:
                if os.path.lexists(path):
                    await self._as_user(account, "rm", "-f", "--", str(path))
        except OSError as error:
            raise self.trouble(f"ticket folder of {account.name}: {error}") from error

    async def _ask_kdc(self, *command: str, account: Account, stdin: bytes | None = None) -> Result:
        try:
            return await programs.run(
                *command, account=account, stdin=stdin, krb5_conf=self.krb5_conf, limit=self.limit
            )
        except TimeoutError as error:
            raise KdcUnreachableError(f"no KDC of {self.realm} answered within {self.limit:g} s") from error

    async def _as_user(self, account: Account, *command: str, stdin: bytes | None = None) -> None:
        """Does something in the user's folder with the user's rights alone, so that no link leads further."""
        result = await programs.run(*command, account=account, stdin=stdin, limit=self.limit)
        if result.code:
            raise self._refusal(f"folder of {account.name}", result, command[0])

    def trouble(self, detail: str) -> TicketError:
        """The error for a file that cannot be made: there is no space, or something else is wrong."""
        return errors.NoSpaceError(detail) if self._is_full() else TicketError(detail)

    def _is_full(self) -> bool:
        if not self.folders.root.exists():
            return False
        space = os.statvfs(self.folders.root)
        return space.f_bavail * space.f_frsize < LITTLE_SPACE or (space.f_files > 0 and space.f_favail == 0)

    def _refusal(self, what: str, result: Result, program: str = "kinit") -> TicketError:
        for words, kind in _SAYS:
            line = next((line for line in f"{result.stderr}\n{result.stdout}".splitlines() if words in line), "")
            if line:
                return kind(f"{program} for {what}: {line.strip()}")
        # kinit tells only that it could not store something
        return self.trouble(f"{program} for {what}: {result.said}")
