"""Proof that the KDC is the real one.

A password that a KDC takes proves nothing as long as the KDC itself may be false (the Zanarotti attack): the real one
knows the key in the host's keytab. So a service ticket for a principal of the keytab has to decrypt with it.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jupyterhub_kerberos import programs
from jupyterhub_kerberos.errors import KdcNotGenuineError, KdcUnreachableError, TicketError


@dataclass(frozen=True)
class Verifier:
    """Checks the KDC of ``realm`` against ``keytab``.

    ``limit`` is the time in seconds for each program.
    """

    keytab: Path
    realm: str
    krb5_conf: str
    limit: float

    async def principals(self) -> list[str]:
        """The keytab's service principals of the realm.

        Raises:
            TicketError: the keytab cannot be read, or has none.
        """
        listing = await programs.run("klist", "-k", f"FILE:{self.keytab}", krb5_conf=self.krb5_conf, limit=self.limit)
        if listing.code:
            raise TicketError(f"{self.keytab} cannot be read as a keytab: {listing.said}")
        names: list[str] = re.findall(rf"^\s*\d+ ([^\s/]+/\S+@{re.escape(self.realm)})$", listing.stdout, re.MULTILINE)
        if not names:
            raise TicketError(f"{self.keytab} holds no service principal of the realm {self.realm}")
        return names

    async def principal(self) -> str:
        """The keytab's ``host/`` principal of the realm, else another service's of the realm.

        Raises:
            TicketError: the keytab cannot be read, or has none.
        """
        names = await self.principals()
        return next((name for name in names if name.startswith("host/")), names[0])

    async def verify(self, cache: bytes, scratch: Path) -> None:
        """Gets a ticket for the keytab's principal by means of a ticket cache, and decrypts it with the keytab.

        Args:
            cache: the content of a cache that holds a ticket-granting ticket; it is copied.
            scratch: a folder that only the hub can write to, preferably in memory.

        Raises:
            KdcNotGenuineError: the ticket was made with another key, or refused.
            KdcUnreachableError: no answer in time.
            TicketError: the keytab is not usable.
        """
        principal = await self.principal()
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".verify-") as folder:
            copy = Path(folder) / "krb5cc"
            copy.write_bytes(cache)
            command = ["kvno", "-q", "-c", f"FILE:{copy}", "-k", f"FILE:{self.keytab}", principal]
            try:
                proof = await programs.run(*command, krb5_conf=self.krb5_conf, limit=self.limit)
            except TimeoutError as error:
                raise KdcUnreachableError(f"no KDC of {self.realm} answered within {self.limit:g} s") from error
        if proof.code and "Cannot contact any KDC" in proof.stderr:
            raise KdcUnreachableError(f"realm {self.realm}: {proof.said}")
        if proof.code:
            raise KdcNotGenuineError(f"the KDC of {self.realm} failed the check against {self.keytab}: {proof.said}")
