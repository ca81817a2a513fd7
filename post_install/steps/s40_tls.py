"""The hub's TLS key and certificate: a given pair is checked, and one is made where there is none."""

import os
import shutil
import socket
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from post_install.files import Folder, opened, repair, wrong_with
from post_install.host import Host, Ran, Step, StepError
from post_install.messages import message
from post_install.record import load, sha256

KEY = "/etc/jupyterhub/ssl/hub.key"
CERTIFICATE = "/etc/jupyterhub/ssl/hub.crt"
DAYS = 730
RENEW_BEFORE = 30 * 24 * 3600
"""Seconds before its end at which our own certificate, and only ours, is made anew."""

# An end-entity certificate, not a CA: whoever imports it trusts this host and nothing that its key could sign.
# RSA, not ECDSA: the Java runtimes of old sites are not all built with elliptic curves.
REQUEST = """\
[req]
distinguished_name = name
x509_extensions = server
prompt = no
[name]
CN = {common_name}
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Pair:
    """The two files, and whose they are."""

    state: str
    """One of: missing, given, ours, half (one of the two is missing)."""
    problems: list[str]


def check(host: Host) -> list[str]:
    """Whether the pair is there, fits, is readable by root alone, and has not expired."""
    pair = _look(host)
    if pair.state == "missing":
        return [message("no_pair")]
    return pair.problems or [f"{path}: {what}" for path in (KEY, CERTIFICATE) for what in _access(host, path)]


def ensure(host: Host) -> list[str]:
    """Makes the pair where there is none, and our own anew before it ends; a given one is never written to.

    Raises:
        StepError: a given pair can't be used; it names the file and what to do.
    """
    pair = _look(host)
    if pair.state == "missing" or (pair.state == "ours" and pair.problems):
        names = _make(host)
        return [message("made_pair", names=", ".join(names), days=DAYS)]
    if pair.problems:
        raise StepError("; ".join(pair.problems))
    repaired = [(path, what) for path in (KEY, CERTIFICATE) for what in _access(host, path, mend=True)]
    return [message("repaired", path=path, what=what) for path, what in repaired]


def _look(host: Host) -> Pair:
    key, certificate = host.at(KEY), host.at(CERTIFICATE)
    there = [os.path.lexists(key), os.path.lexists(certificate)]
    if not any(there):
        return Pair("missing", [])
    ours = _is_ours(host, KEY) and (_is_ours(host, CERTIFICATE) or not there[1])
    if not all(there):
        lone, lacking = (KEY, CERTIFICATE) if there[0] else (CERTIFICATE, KEY)
        return Pair("ours" if ours else "half", [message("half_pair", lone=lone, lacking=lacking)])
    problem = _expiry(host, certificate, RENEW_BEFORE if ours else 0) or _mismatch(key, certificate)
    return Pair("ours" if ours else "given", [problem] if problem else [])


def _is_ours(host: Host, path: str) -> bool:
    """Whether the file is as we wrote it: a certificate that a CA has issued for our key is not."""
    file, known = host.at(path), load(host).files.get(path)
    return known is not None and file.is_file() and sha256(file.read_bytes()) == known.written


def _expiry(host: Host, certificate: Path, margin: int) -> str:
    """Why the certificate can't be used from ``margin`` seconds on; empty when it can."""
    ran = _openssl(host, "x509", "-in", str(certificate), "-noout", "-enddate")
    if ran.code:
        return message("no_certificate", path=certificate)
    end = ran.output.strip().removeprefix("notAfter=")
    if ssl.cert_time_to_seconds(end) <= time.time() + margin:
        return message("certificate_ends", path=certificate, end=end, key=KEY)
    return ""


def _mismatch(key: Path, certificate: Path) -> str:
    """Why key and certificate can't be used together; empty when they can.

    Read through the same library that will serve them, so that what it would refuse later is refused now.
    """
    asked = []

    def refuse_password() -> str:
        asked.append(True)
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, refuse_password)
    except ssl.SSLError as error:
        if asked:
            return message("key_encrypted", key=key)
        if error.reason == "KEY_VALUES_MISMATCH":
            return message("key_of_another", key=key, path=certificate)
        if error.reason and error.reason.startswith(("EE_KEY", "CA_", "EE_")):
            return message("certificate_weak", path=certificate, why=error.reason)
        return message("no_key", key=key, why=error.reason)
    return ""


def _access(host: Host, path: str, mend: bool = False) -> list[str]:
    """Whether somebody but root can read the file; a link's target belongs to whoever renews it, and is only judged.

    Raises:
        StepError: the target of a link is open to everybody.
    """
    file = host.at(path)
    if file.is_symlink():
        if path == KEY and file.stat().st_mode & 0o007:
            raise StepError(message("key_open", target=file.resolve(), key=file), message("close_key"))
        return []
    want = Folder(path, 0o600)
    with opened(host, path, 0) as descriptor:
        problems = wrong_with(host, descriptor, want)
        if problems and mend:
            repair(host, descriptor, want)
    return problems


def _make(host: Host) -> list[str]:
    """Makes a self-signed pair; gives the names it is for."""
    common_name, names = _names(host)
    folder = host.at(KEY).parent
    alternatives = ", ".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        work = Path(name)
        request = work / "request.cnf"
        request.write_text(REQUEST.format(common_name=common_name, names=alternatives))
        options = ["-newkey", "rsa:2048", "-nodes", "-sha256", "-days", str(DAYS), "-config", str(request)]
        files = ["-keyout", str(work / "hub.key"), "-out", str(work / "hub.crt")]
        ran = _openssl(host, "req", "-x509", *options, *files)
        if ran.code:
            raise StepError(message("openssl_failed", why=ran.complaint))
        _put(host, {KEY: work / "hub.key", CERTIFICATE: work / "hub.crt"})
    return names


def _put(host: Host, made: dict[str, Path]) -> None:
    """Puts the new pair in the place of none or of our own; interrupted anywhere, the next run makes it good."""
    for target in (CERTIFICATE, KEY):
        host.at(target).unlink(missing_ok=True)
    # Known as ours before they are there.
    record = load(host)
    for target, file in made.items():
        record.of(target).written = sha256(file.read_bytes())
    record.save(host)
    for target, file in made.items():
        file.chmod(0o600)
        file.replace(host.at(target))


def _openssl(host: Host, *arguments: str) -> Ran:
    """The hub's own openssl; the system's where the environment is not whole."""
    own = host.env / "bin" / "openssl"
    program = str(own) if own.exists() else shutil.which("openssl", path="/usr/bin:/bin")
    if program is None:
        raise StepError(message("no_openssl", path=own.parent), message("install_again"))
    return host.run([program, *arguments])


def _names(host: Host) -> tuple[str, list[str]]:
    """The host's main name (a common name holds 64 characters), and all names and addresses that it answers to."""
    short = socket.gethostname()
    # A resolver without an answer takes its time: what is not known within a minute is left out.
    looked_up = host.run([sys.executable, "-I", "-c", "import socket; print(socket.getfqdn())"])
    full = looked_up.output.strip() or short
    names = [full, short, full.split(".")[0], "localhost", "127.0.0.1", "::1", *_addresses()]
    common = next((name for name in (full, short) if 0 < len(name) <= 64 and name != "localhost"), "jupyterhub")
    return common, list(dict.fromkeys(name for name in names if name))


def _addresses() -> list[str]:
    """The addresses that packets to elsewhere would leave from; connecting a UDP socket sends none."""
    found = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            continue  # no route of this family
    return found


def _is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except OSError:
            continue
        return True
    return False


STEP = Step("tls", check, ensure)
