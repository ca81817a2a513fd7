"""What this host offers: how users can log in, and where their servers can run."""

import re
import socket
from dataclasses import dataclass

from post_install.host import Host
from post_install.messages import message

AUTHS = ("kerberos", "pam", "shared-password")
SPAWNERS = ("docker", "local")

KRB5 = "/etc/krb5.conf"
KEYTAB = "/etc/krb5.keytab"
STOCK_REALM = "ATHENA.MIT.EDU"
"""Debian's krb5-config writes it, with its KDCs, where nobody has told it a realm (its debconf default)."""


@dataclass(frozen=True)
class Choice:
    """A value of ``hub.yaml``, and why it was chosen."""

    value: str
    why: str

    def __str__(self) -> str:
        return message("choice", value=self.value, why=self.why)


def choose_auth(host: Host, before: str) -> Choice:
    """How users log in: as told, else as chosen ``before``, else Kerberos where the host belongs to a realm.

    A ``default_realm`` alone does not make a member: krb5's packages bring one along. A host keytab or the address
    of that realm's KDC does; of Debian's ``STOCK_REALM``, whose KDCs come along, too, the keytab alone.
    """
    if host.auth:
        return Choice(host.auth, message("as_asked"))
    if before in AUTHS:
        return Choice(before, message("as_before"))
    config = host.at(KRB5)
    text = config.read_text(errors="replace") if config.is_file() else ""
    realm = re.search(r"^\s*default_realm\s*=\s*(\S+)", text, re.MULTILINE)
    if realm is None:
        return Choice("pam", message("no_realm", path=KRB5))
    if host.at(KEYTAB).exists():
        return Choice("kerberos", message("realm_keytab", realm=realm[1]))
    if realm[1] == STOCK_REALM:
        return Choice("pam", message("realm_stock", realm=realm[1], keytab=KEYTAB))
    section = re.search(rf"^\s*{re.escape(realm[1])}\s*=\s*\{{([^}}]*)\}}", text, re.MULTILINE)
    if section and re.search(r"^\s*kdc\s*=", section[1], re.MULTILINE):
        return Choice("kerberos", message("realm_kdc", realm=realm[1]))
    return Choice("pam", message("realm_alone", realm=realm[1], keytab=KEYTAB, path=KRB5))


def choose_spawner(host: Host, before: str) -> Choice:
    """Where users' servers run: as told, else as chosen ``before``, else in Docker where it answers."""
    if host.spawner:
        return Choice(host.spawner, message("as_asked"))
    if before in SPAWNERS:
        return Choice(before, message("as_before"))
    for path in ("/run/docker.sock", "/var/run/docker.sock"):
        if _docker_answers(str(host.at(path))):
            return Choice("docker", message("docker_answers", path=path))
    return Choice("local", message("no_docker"))


def _docker_answers(path: str) -> bool:
    """Whether a Docker Engine says that it is there (Docker Engine API, ``GET /_ping``), within two seconds."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            answer = connection.recv(64)
        except OSError:  # no socket, nobody listens, or a path longer than a socket's may be
            return False
    return re.match(rb"HTTP/1\.\d 200 ", answer) is not None
