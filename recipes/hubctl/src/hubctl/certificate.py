"""The certificate that the hub shows to browsers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hubctl.errors import HubError

if TYPE_CHECKING:
    from cryptography import x509


def load(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file: the server's own, its chain follows.

    Raises:
        HubError: there is none.
    """
    return load_chain(path)[0]


def load_chain(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file, in their order.

    Raises:
        HubError: there is none.
    """
    from cryptography import x509  # slow to load, and most commands look at no certificate

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        do = "run this as root" if isinstance(error, PermissionError) else "`hubctl setup` makes it"
        raise HubError(f"{path} can't be read: {error.strerror}", do) from None
    except ValueError:
        do = "`hubctl cert install KEY CERT` puts another pair in its place, `hubctl cert self-signed` makes one"
        raise HubError(f"{path} holds no PEM certificate", do) from None


def der(path: Path) -> bytes:
    """The certificate as it comes over the wire."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return load(path).public_bytes(Encoding.DER)


def days_left(certificate: x509.Certificate) -> int:
    """Whole days until it expires; when it has, less than a day ago is -1, less than two days -2."""
    return (certificate.not_valid_after_utc - datetime.now(UTC)).days


def words(days: int) -> str:
    """What is left of a certificate, for people."""
    return f"{days} days left" if days >= 0 else f"expired {-days - 1} days ago"
