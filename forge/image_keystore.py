"""Gives every certificate in a Java keystore the same date: Debian's scripts write the time at which they ran.

The format JKS, version 2 (``sun.security.provider.JavaKeyStore``): magic, version, number of entries; of each trusted
certificate a 2, its alias, its date in milliseconds, its type, its bytes; at the end a SHA-1 over the password, a fixed
phrase, and all before it.

As a program: ``image_keystore.py FILE SECONDS``; standard library alone, as mmdebstrap's hook runs it.
"""

import hashlib
import struct
import sys
from pathlib import Path

_MAGIC = 0xFEEDFEED
_TRUSTED = 2
_SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"


def with_date(store: bytes, seconds: int) -> bytes:
    """The keystore with all dates replaced.

    Raises:
        ValueError: it is no JKS keystore of trusted certificates with Java's default password.
    """
    body, digest = store[:-20], store[-20:]
    magic, version, count = struct.unpack_from(">III", body)
    if (magic, version) != (_MAGIC, 2) or hashlib.sha1(_SALT + body).digest() != digest:
        raise ValueError("not a JKS keystore with the default password")
    changed, at = bytearray(body), 12
    for _ in range(count):
        if struct.unpack_from(">I", body, at)[0] != _TRUSTED:
            raise ValueError("more than trusted certificates in it")
        at = _after_text(body, at + 4)
        struct.pack_into(">Q", changed, at, seconds * 1000)
        at = _after_text(body, at + 8)
        at += 4 + int(struct.unpack_from(">I", body, at)[0])
    return bytes(changed) + hashlib.sha1(_SALT + changed).digest()


def _after_text(data: bytes, at: int) -> int:
    return at + 2 + int(struct.unpack_from(">H", data, at)[0])


if __name__ == "__main__":
    keystore = Path(sys.argv[1])
    keystore.write_bytes(with_date(keystore.read_bytes(), int(sys.argv[2])))
