"""What only the Kerberos library knows: the default realm, and what time a realm's KDC has.

It alone knows all places and inclusions of krb5.conf, and how a KDC is found. It is called in a process of its own,
which is this file run as a program, with the same environment as the programs.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

LIBRARY = "libkrb5.so.3"

STRANGER = "hubctl-doctor"
"""Who asks the KDC for its time: nobody, so that no account counts a failed login. The KDC's log shows the name."""


def default_realm(krb5_conf: str = "") -> str:
    """``default_realm`` of krb5.conf; empty when there is none, or no Kerberos library.

    Args:
        krb5_conf: ``KRB5_CONFIG``, where it is not the library's default.
    """
    done = _run("default_realm", krb5_conf=krb5_conf, limit=30)
    return done.stdout.strip() if done.returncode == 0 else ""


def kdc_offset(realm: str, krb5_conf: str, limit: float) -> timedelta:
    """How far the clock of the realm's KDC is ahead of this host's. A KDC tells it when it refuses an unknown name.

    Args:
        krb5_conf: ``KRB5_CONFIG``, where it is not the library's default; else empty.
        limit: seconds to wait for an answer.

    Raises:
        TimeoutError: no KDC answered in time.
        OSError: none answers; the library's words.
    """
    try:
        done = _run("kdc_offset", realm, krb5_conf=krb5_conf, limit=limit)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"no KDC of {realm} answered within {limit:g} s") from None
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1])
    return timedelta(seconds=float(done.stdout))


def _run(question: str, *arguments: str, krb5_conf: str, limit: float) -> subprocess.CompletedProcess[str]:
    env = {"LC_ALL": "C", "KRB5_CONFIG": krb5_conf} if krb5_conf else {"LC_ALL": "C"}
    command = [sys.executable, "-I", __file__, question, *arguments]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=limit)


class Error(ctypes.Structure):
    """The beginning of ``krb5_error`` (MIT, ``krb5.h``): a KDC's refusal. Times are in seconds since 1970."""

    _fields_ = (
        ("magic", ctypes.c_int32),
        ("ctime", ctypes.c_int32),
        ("cusec", ctypes.c_int32),
        ("susec", ctypes.c_int32),
        ("stime", ctypes.c_uint32),
    )


class Library:
    """The environment's library, else the system's; its functions raise OSError. See MIT's API reference."""

    def __init__(self) -> None:
        own = Path(sys.prefix) / "lib" / LIBRARY
        self._library = ctypes.CDLL(os.fspath(own) if own.exists() else LIBRARY)
        self._library.krb5_get_error_message.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p()
        if code := self._library.krb5_init_context(ctypes.byref(self._context)):
            raise OSError(f"krb5.conf can't be read: {code}")

    def _call(self, name: str, *arguments: object) -> None:
        if code := getattr(self._library, name)(self._context, *arguments):
            raise OSError(self._words(code))

    def _words(self, code: int) -> str:
        return str(self._library.krb5_get_error_message(self._context, code).decode())

    def default_realm(self) -> str:
        """``krb5_get_default_realm``."""
        realm = ctypes.c_char_p()
        self._call("krb5_get_default_realm", ctypes.byref(realm))
        return (realm.value or b"").decode()

    def kdc_offset(self, realm: str) -> float:
        """Seconds that the KDC is ahead, by what ``krb5_init_creds_get_error`` keeps of its refusal."""
        client, login = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("krb5_parse_name", f"{STRANGER}@{realm}".encode(), ctypes.byref(client))
        self._call("krb5_init_creds_init", client, None, None, 0, None, ctypes.byref(login))
        refusal = ctypes.POINTER(Error)()
        code = self._library.krb5_init_creds_get(self._context, login)
        self._call("krb5_init_creds_get_error", login, ctypes.byref(refusal))
        if not refusal:
            raise OSError(self._words(code))
        return float(refusal.contents.stime + refusal.contents.susec / 1e6 - time.time())


if __name__ == "__main__":
    try:
        answer: Callable[..., object] = getattr(Library(), sys.argv[1])
        print(answer(*sys.argv[2:]))
    except OSError as trouble:
        sys.exit(str(trouble))
