"""The hub's key and certificate, judged as browsers would."""

import socket
import ssl
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from hubctl import certificate
from hubctl.doctor.finding import Finding, fault, ok, warning

LAST_DAYS = 30
"""`hubctl setup` makes its own certificate anew when so many are left."""

_MEND = "`hubctl cert install KEY CERT` puts another pair in its place, `hubctl cert self-signed` makes one"

_TRUSTED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and RHEL keep what the host trusts."""


@dataclass(frozen=True)
class Files:
    """The two files."""

    key: Path
    cert: Path


def host_names() -> list[str]:
    """The names that users are expected to type; the full one first."""
    return list(dict.fromkeys([socket.getfqdn(), socket.gethostname()]))


def examine(files: Files, names: Sequence[str]) -> list[Finding]:
    """What is wrong with a pair, or one finding that sums it up.

    Args:
        files: the pair.
        names: the host's; the certificate should be for one of them.

    Raises:
        HubError: one of the files is not there, or is not what it should be.
    """
    chain = certificate.load_chain(files.cert)
    found = [*_dates(files, chain), *_order(files, chain), *_key(files, chain[0]), *_names(files, chain[0], names)]
    if found:
        return found
    issuer = "itself" if _is_own_issuer(chain[0]) else _name(chain[-1].issuer)
    days = certificate.days_left(chain[0])
    return [ok(f"{files.cert} has {days} days left, is for {', '.join(_alternatives(chain[0]))}, signed by {issuer}")]


def modes(files: Files) -> Iterator[Finding]:
    """Whether others can read the key or change one of the two. A link's target may be open to a group: it belongs to
    whoever renews it."""
    for path, forbidden in ((files.key, 0o077), (files.cert, 0o022)):
        if not path.exists():
            continue  # `examine` tells of it
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (forbidden & 0o007 if path.is_symlink() else forbidden):
            yield fault(f"{path} is open to others than its owner (mode {mode:04o})", f"chmod 600 {path.resolve()}")


def _dates(files: Files, chain: list[x509.Certificate]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for number, entry in enumerate(chain):
        what = str(files.cert) if number == 0 else f"{_name(entry.subject)} in {files.cert}"
        days = certificate.days_left(entry)
        if days < 0:
            yield fault(f"{what} expired {-days - 1} days ago", _MEND)
        elif entry.not_valid_before_utc > now:
            yield fault(f"{what} is not valid before {entry.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", _MEND)
        elif days < LAST_DAYS:
            yield warning(f"{what} has {days} days left", _MEND)


def _order(files: Files, chain: list[x509.Certificate]) -> Iterator[Finding]:
    """Whether each certificate is signed by the next, and the last by a CA that this host knows, or by itself."""
    for entry, issuer in pairwise(chain):
        if not _is_issued_by(entry, issuer):
            yield fault(
                f"{files.cert}: {_name(entry.subject)} is not signed by {_name(issuer.subject)}, which stands after it",
                "put the server's certificate first, then each time the one that signed it",
            )
            return
    last = chain[-1]
    if not _is_own_issuer(last) and not _is_known(last):
        signer = _name(last.issuer)
        yield warning(
            f"{files.cert} ends with {_name(last.subject)}, signed by {signer}, whom this host does not know",
            "append the certificates between, if there are any; browsers must know the CA itself",
        )


def _key(files: Files, leaf: x509.Certificate) -> Iterator[Finding]:
    try:
        key = load_pem_private_key(files.key.read_bytes(), password=None)
    except FileNotFoundError:
        yield fault(f"{files.key} is not there", _MEND)
        return
    except OSError as error:
        yield fault(f"{files.key} can't be read: {error.strerror}", "run this as the user that the hub runs as")
        return
    except TypeError:
        decrypt = f"decrypt it: `openssl pkey -in {files.key} -out KEY`"
        yield fault(f"{files.key} is encrypted, and the hub starts without anybody there", decrypt)
        return
    except (ValueError, UnsupportedAlgorithm):
        yield fault(f"{files.key} is no PEM private key", _MEND)
        return
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        yield fault(f"{files.key} does not belong to {files.cert}", _MEND)
        return
    try:  # through the library that will serve them: what it would refuse later is refused now
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert, files.key)
    except ssl.SSLError as error:
        yield fault(f"OpenSSL refuses {files.cert} ({error.reason})", "request one with RSA 2048 bits or more")


def _names(files: Files, leaf: x509.Certificate, names: Sequence[str]) -> Iterator[Finding]:
    there = _alternatives(leaf)
    if not there:
        yield fault(f"{files.cert} has no subjectAltName, so browsers refuse it", "request one that has the name in it")
    elif not any(_covers(pattern, name) for pattern in there for name in names):
        yield warning(
            f"{files.cert} is for {', '.join(there)}, not for {names[0]}",
            "fine where users know this host by one of those names; else request one for the name that they type",
        )
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        yield fault(f"{files.cert} is not for servers (extendedKeyUsage)", "request one with serverAuth")


def _alternatives(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def _covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name is the host's (RFC 6125): a star stands for the first label."""
    pattern, name = pattern.lower(), name.lower()
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


def _is_issued_by(entry: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        entry.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_own_issuer(entry: x509.Certificate) -> bool:
    return entry.issuer == entry.subject


def _is_known(entry: x509.Certificate) -> bool:
    """Whether the host trusts a CA that has signed it."""
    for path in map(Path, _TRUSTED):
        for known in x509.load_pem_x509_certificates(path.read_bytes()) if path.is_file() else []:
            if known.subject == entry.issuer and _is_issued_by(entry, known):
                return True
    return False


def _name(name: x509.Name) -> str:
    """The common name; all of it where there is none."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()
