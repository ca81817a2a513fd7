"""PAM, asked in a process of its own for each login."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterhub_kerberos import programs
from jupyterhub_kerberos.cache import write_whole
from jupyterhub_kerberos.errors import (
    AccountClosedError,
    KdcUnreachableError,
    LoginServiceError,
    PasswordExpiredError,
    TicketError,
    WrongPasswordError,
)
from jupyterhub_kerberos.programs import Account

# Linux-PAM, _pam_types.h
_BROKEN = (1, 2, 3, 4, 5, 26)  # of the modules themselves, or of what they need
_AUTHINFO_UNAVAIL = 9
_MAXTRIES = 11
_NEW_AUTHTOK_REQD = 12
_ACCT_EXPIRED = 13
_AUTHTOK_EXPIRED = 27

_REFUSALS: dict[int, type[TicketError]] = {
    **dict.fromkeys(_BROKEN, LoginServiceError),
    _AUTHINFO_UNAVAIL: KdcUnreachableError,
    _MAXTRIES: AccountClosedError,
    _NEW_AUTHTOK_REQD: PasswordExpiredError,
    _ACCT_EXPIRED: AccountClosedError,
    _AUTHTOK_EXPIRED: PasswordExpiredError,
}


@dataclass(frozen=True)
class PamTickets:
    """``content``, a FILE cache, of what was at ``origin``; empty where PAM has made none, or it could not be read."""

    origin: str
    content: bytes


@dataclass(frozen=True)
class PamService:
    """A service of ``/etc/pam.d``.

    ``limit`` is the time in seconds that one login may take; ``lifetime`` and ``renewable`` are what a ticket shall
    have that PAM's modules get, as kinit reads it.
    """

    name: str
    encoding: str
    check_account: bool
    limit: float
    lifetime: str
    renewable: str
    krb5_conf: str = ""

    async def login(self, account: Account, passwords: list[str], scratch: Path | None) -> PamTickets:
        """Checks password and account, and fetches the tickets that PAM's modules have made on the way.

        Args:
            passwords: the answers to PAM's questions, in their order.
            scratch: a folder that only the hub can write to; None asks for no tickets.

        Raises:
            TicketError: PAM says no, or nothing in time.
        """
        copy = None if scratch is None else {"scratch": str(scratch), "uid": account.uid, "gid": account.gid}
        config = self.krb5_conf if scratch is None else self._config(scratch)
        answer = await self._ask(account, config, passwords=passwords, check=self.check_account, copy=copy)
        return PamTickets(answer["cache"], base64.b64decode(answer["tickets"]))

    async def check(self, account: Account) -> None:
        """Checks the account of somebody whose identity is proven in another way.

        Raises:
            TicketError: PAM says no, or nothing in time.
        """
        if self.check_account:
            await self._ask(account, self.krb5_conf, passwords=None, check=True, copy=None)

    def _config(self, scratch: Path) -> str:
        """The ``KRB5_CONFIG`` that makes modules in our process ask for the same ticket as kinit would."""
        times = f"ticket_lifetime = {self.lifetime}\nrenew_lifetime = {self.renewable}\n"
        path = scratch / ".krb5-defaults.conf"
        write_whole(path, f"[libdefaults]\nforwardable = true\n{times}")
        return f"{path}:{self.krb5_conf or '/etc/krb5.conf'}"

    async def _ask(self, account: Account, config: str, **question: Any) -> dict[str, Any]:
        question |= {"service": self.name, "username": account.name, "encoding": self.encoding}
        try:
            answer = await programs.ask("pam", question, krb5_conf=config, limit=self.limit)
        except TimeoutError as error:
            raise KdcUnreachableError(f"PAM did not answer within {self.limit:g} s for {account.name}") from error
        except OSError as error:
            raise LoginServiceError(f"PAM for {account.name}: {error}") from error
        if answer["step"]:
            raise _refusal(account, answer)
        return answer


def _refusal(account: Account, answer: dict[str, Any]) -> TicketError:
    code, said = answer["errno"], answer["said"]
    default: type[TicketError] = AccountClosedError if answer["step"] == "account" else WrongPasswordError
    kind = _REFUSALS.get(code, default)
    if answer["step"] == "authenticate" and "password expired" in said.casefold():
        kind = PasswordExpiredError  # pam_krb5 asks for a new one at once, and there is nobody who could answer
    return kind(f"PAM refused {account.name} ({answer['step']}, error {code}): {said}")
