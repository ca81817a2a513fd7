"""The certificate authorities of the package ca-certificates, out of a certdata.txt of our own."""

import base64
import subprocess
import sys
from pathlib import Path

from forge.paths import RECIPES

CERTIFICATE = """
CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE
CKA_LABEL UTF8 "{label}"
CKA_ISSUER MULTILINE_OCTAL
{issuer}
END
CKA_SERIAL_NUMBER MULTILINE_OCTAL
\\001
END
CKA_VALUE MULTILINE_OCTAL
{value}
END
"""

TRUST = """
# a comment
CKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST
CKA_LABEL UTF8 "{label}"
CKA_ISSUER MULTILINE_OCTAL
{issuer}
END
CKA_SERIAL_NUMBER MULTILINE_OCTAL
\\001
END
CKA_TRUST_SERVER_AUTH CK_TRUST {trust}
CKA_TRUST_EMAIL_PROTECTION CK_TRUST CKT_NSS_TRUSTED_DELEGATOR
"""


def octal(text: str) -> str:
    return "".join(f"\\{ord(letter):03o}" for letter in text)


def authority(label: str, trust: str = "CKT_NSS_TRUSTED_DELEGATOR") -> str:
    issuer = octal(f"issuer of {label}")
    certificate = CERTIFICATE.format(label=label, issuer=issuer, value=octal(f"body of {label}"))
    return certificate + TRUST.format(label=label, issuer=issuer, trust=trust)


def bundle(folder: Path, certdata: str, blacklist: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "certdata.txt").write_text("BEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_BUILTIN_ROOT_LIST\n" + certdata)
    (folder / "blacklist.txt").write_text(blacklist)
    command = [sys.executable, str(RECIPES / "ca-certificates" / "bundle.py"), "certdata.txt", "blacklist.txt"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def encoded(label: str) -> str:
    return base64.b64encode(f"body of {label}".encode()).decode()


def test_only_authorities_for_tls_servers_are_in_the_bundle(tmp_path: Path) -> None:
    certdata = authority("Good") + authority("Mail only", "CKT_NSS_MUST_VERIFY_TRUST")
    certdata += authority("Distrusted", "CKT_NSS_NOT_TRUSTED")
    done = bundle(tmp_path, certdata)
    assert done.stdout.count("BEGIN CERTIFICATE") == 1
    assert encoded("Good") in done.stdout


def test_what_debian_refuses_is_left_out(tmp_path: Path) -> None:
    done = bundle(tmp_path, authority("Good") + authority("Refused"), '# why\n"Refused"\n')
    assert encoded("Good") in done.stdout
    assert encoded("Refused") not in done.stdout


def test_an_empty_bundle_is_an_error(tmp_path: Path) -> None:
    done = bundle(tmp_path, "")
    assert done.returncode != 0
    assert "no trusted certificate" in done.stderr
