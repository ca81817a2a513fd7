"""Writes the certificate authorities that Mozilla trusts for TLS servers as one PEM bundle to standard output.

Usage: bundle.py certdata.txt blacklist.txt. The first is the text form of NSS's built-in token: objects of PKCS #11
attributes, one a line, values of type MULTILINE_OCTAL on the following lines up to END. The second holds labels, one a
line, that Debian leaves out.
"""

import re
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

TRUSTED = "CKT_NSS_TRUSTED_DELEGATOR"
Attributes = dict[str, str | bytes]


def objects(lines: Iterator[str]) -> Iterator[Attributes]:
    """The token's objects, one after the other; each begins with its CKA_CLASS."""
    current: Attributes = {}
    for line in lines:
        words = line.split(maxsplit=2)
        if not words or not words[0].startswith("CKA_"):
            continue
        name, kind, *value = words
        if name == "CKA_CLASS" and current:
            yield current
            current = {}
        current[name] = octal(lines) if kind == "MULTILINE_OCTAL" else "".join(value).strip()
    if current:
        yield current


def octal(lines: Iterator[str]) -> bytes:
    """The bytes of a value written as octal escapes, up to its END line."""
    value = bytearray()
    for line in lines:
        if line.strip() == "END":
            break
        value += bytes(int(digits, 8) for digits in re.findall(r"\\([0-7]{3})", line))
    return bytes(value)


def trusted(certdata: Path, refused: set[str]) -> list[tuple[str, bytes]]:
    """Label and DER form of every certificate that may vouch for a TLS server, sorted by label."""
    found = list(objects(iter(certdata.read_text(encoding="utf-8").splitlines())))

    def identity(entry: Attributes) -> tuple[str | bytes, ...]:
        return entry["CKA_ISSUER"], entry["CKA_SERIAL_NUMBER"]

    allowed = {
        identity(entry)
        for entry in found
        if entry["CKA_CLASS"] == "CKO_NSS_TRUST" and entry["CKA_TRUST_SERVER_AUTH"] == TRUSTED
    }
    certificates = [
        (str(entry["CKA_LABEL"]), bytes(entry["CKA_VALUE"]))  # type: ignore[arg-type]
        for entry in found
        if entry["CKA_CLASS"] == "CKO_CERTIFICATE" and identity(entry) in allowed
    ]
    return sorted(item for item in certificates if item[0] not in refused)


def main() -> None:
    """Prints the bundle."""
    certdata, blacklist = map(Path, sys.argv[1:])
    refused = {line.split("#")[0].strip() for line in blacklist.read_text(encoding="utf-8").splitlines()}
    certificates = trusted(certdata, refused)
    if not certificates:
        sys.exit(f"{certdata}: no trusted certificate found")
    for _, der in certificates:
        sys.stdout.write(ssl.DER_cert_to_PEM_cert(der))


if __name__ == "__main__":
    main()
