"""The default realm as the Kerberos library itself finds it; run as a program, this file prints it.

Only the library knows all places and inclusions of krb5.conf. It is called in a process of its own, with the same
environment as the programs.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

LIBRARY = "libkrb5.so.3"


def default_realm(krb5_conf: str = "") -> str:
    """``default_realm`` of krb5.conf; empty when there is none, or no Kerberos library.

    Args:
        krb5_conf: ``KRB5_CONFIG``, where it is not the library's default.
    """
    env = {"LC_ALL": "C", "KRB5_CONFIG": krb5_conf} if krb5_conf else {"LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-I", __file__], env=env, cwd="/", capture_output=True, timeout=30)
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def _ask_library() -> str:
    """See krb5_init_context and krb5_get_default_realm in MIT's API reference.

    Raises:
        OSError: there is no such library, or it knows no default realm.
    """
    own = Path(sys.prefix) / "lib" / LIBRARY
    library = ctypes.CDLL(os.fspath(own) if own.exists() else LIBRARY)
    context, realm = ctypes.c_void_p(), ctypes.c_char_p()
    if code := library.krb5_init_context(ctypes.byref(context)):
        raise OSError(f"krb5_init_context: {code}")
    if code := library.krb5_get_default_realm(context, ctypes.byref(realm)):
        raise OSError(f"krb5_get_default_realm: {code}")
    return (realm.value or b"").decode()


if __name__ == "__main__":
    print(_ask_library())
