"""Java's list of certificates, without the time at which it was put together."""

import hashlib
import struct

import pytest

from forge.image_keystore import with_date


def store(*dates: int, password: str = "changeit") -> bytes:
    body = struct.pack(">III", 0xFEEDFEED, 2, len(dates))
    for number, date in enumerate(dates):
        alias = f"debian:authority-{number}.pem".encode()
        certificate = b"certificate" * (number + 1)
        body += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">QH", date, 5) + b"X.509"
        body += struct.pack(">I", len(certificate)) + certificate
    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_certificates_stay_and_all_dates_are_the_releases() -> None:
    assert with_date(store(1_700_000_000_123, 1_700_000_000_456), 1_793_491_200) == store(*[1_793_491_200_000] * 2)


@pytest.mark.parametrize("other", [store(1, password="another"), store(1)[:-1] + b"x", b"PKCS12, or anything else" * 4])
def test_what_is_no_such_keystore_is_refused(other: bytes) -> None:
    with pytest.raises(ValueError, match="default password"):
        with_date(other, 0)
