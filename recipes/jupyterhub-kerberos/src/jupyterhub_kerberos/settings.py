"""The settings of the Kerberos authenticators."""

import os
from pathlib import Path
from typing import Any

from jupyterhub.auth import PAMAuthenticator
from traitlets import CaselessStrEnum, Float, Set, Unicode, default, validate

from jupyterhub_kerberos.cache import TicketFolders
from jupyterhub_kerberos.library import default_realm
from jupyterhub_kerberos.pam import PamService
from jupyterhub_kerberos.tickets import TicketOffice


class KerberosSettings(PAMAuthenticator):
    """What administrators can set, and what follows from it."""

    realm = Unicode(
        config=True,
        help="""
        The users' Kerberos realm.

        Default: ``default_realm`` of krb5.conf.

        For example::

            c.KerberosPAMAuthenticator.realm = "EXAMPLE.ORG"
        """,
    )

    @default("realm")
    def _realm_default(self) -> str:
        return default_realm(self.krb5_conf)

    keytab = Unicode(
        "/etc/krb5.keytab",
        config=True,
        help="""
        The host's keytab, with a key of ``host/FQDN`` in the realm.

        If the file exists, a login succeeds only if the KDC knows that key, too. If it does not exist, whoever can
        answer in place of the KDC can log in as anybody that PAM lets in; a warning at start says so.
        """,
    )

    ticket_folder = Unicode(
        "/run/jupyterhub/tickets",
        config=True,
        help="""
        Where users' ticket folders are. It is made if necessary; only the hub's user may be able to write there.

        Best on a file system in memory. With systemd's ``RuntimeDirectory=``, set ``RuntimeDirectoryPreserve=yes``:
        the folders are mounted into containers that outlive the hub.
        """,
    )

    ticket_lifetime = Unicode(
        "10h", config=True, help="Lifetime to ask for, as kinit reads it. The KDC may give less. For example ``8h30m``."
    )

    renewable_lifetime = Unicode(
        "7d", config=True, help="How long a ticket shall be renewable without the password, as kinit reads it."
    )

    pam_timeout = Float(
        60, min=1, config=True, help="Seconds that PAM may take for a login; more where users confirm on a telephone."
    )

    kerberos_timeout = Float(
        10, min=1, config=True, help="Seconds that each exchange with the KDC may take. A login makes two of them."
    )

    destroy_tickets = Set(
        CaselessStrEnum(("logout", "stop")),
        config=True,
        help="""
        When a user's ticket is destroyed: ``logout``, when the user logs out; ``stop``, when the user's last server
        has stopped. Who goes on then has to log in again. Default: it stays until it is over.

        A logout takes the ticket away from servers that are still running, too.

        For example::

            c.KerberosPAMAuthenticator.destroy_tickets = {"logout", "stop"}
        """,
    )

    krb5_conf = Unicode(
        config=True,
        help="""
        The ``KRB5_CONFIG`` of all Kerberos programs. Default: that of the hub's own environment, else the library's.
        """,
    )

    @default("krb5_conf")
    def _krb5_conf_default(self) -> str:
        return os.environ.get("KRB5_CONFIG", "")

    allowed_groups = Set(
        {"jupyterhub"},
        config=True,
        help="""
        Members of these groups of the host may log in.

        For example::

            c.KerberosPAMAuthenticator.allowed_groups = {"jupyterhub", "data-science"}
        """,
    )

    @validate("ticket_folder", "keytab")
    def _absolute(self, proposal: Any) -> str:
        if not Path(proposal.value).is_absolute():
            raise ValueError(f"{proposal.trait.name} must be an absolute path, got {proposal.value!r}")
        return str(proposal.value)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not self.realm:
            raise ValueError("KerberosPAMAuthenticator.realm is not set, and krb5.conf has no default_realm")
        self._keytab_at_start = Path(self.keytab).exists()
        if not self._keytab_at_start:
            self.log.warning(
                "There is no keytab at %s: the KDC of %s CANNOT BE VERIFIED, so whoever can answer in its place can log"
                " in as any user that PAM accepts. Put the host's keytab there.",
                self.keytab,
                self.realm,
            )

    @property
    def tickets(self) -> TicketOffice:
        """Where tickets come from, by the settings of this moment."""
        keytab = Path(self.keytab)
        # one that goes away while the hub runs shall not switch the check off
        verify = self._keytab_at_start or keytab.exists()
        return TicketOffice(
            folders=TicketFolders(Path(self.ticket_folder)),
            realm=self.realm,
            keytab=keytab if verify else None,
            lifetime=self.ticket_lifetime,
            renewable=self.renewable_lifetime,
            limit=self.kerberos_timeout,
            krb5_conf=self.krb5_conf,
        )

    @property
    def pam(self) -> PamService:
        """Who checks passwords and accounts, by the settings of this moment."""
        return PamService(
            name=self.service,
            encoding=self.encoding,
            check_account=self.check_account,
            limit=self.pam_timeout,
            lifetime=self.ticket_lifetime,
            renewable=self.renewable_lifetime,
            krb5_conf=self.krb5_conf,
        )
