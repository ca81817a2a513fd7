"""Accepts one SPNEGO token of a browser; run as a program.

Reads ``{"token", "scratch"}``: base64 as in the header ``Authorization: Negotiate …`` (RFC 4559), and a folder that
only the hub can write to. ``KRB5_KTNAME`` names the keytab. Writes ``{"principal", "reply", "tickets"}``: who it is,
the token for the browser, and, where the browser passed on a ticket, a cache with it, both in base64; or ``{"error"}``.

pykerberos accepts the token. It has no function for the ticket that was passed on, which GSSAPI has handed it
(RFC 2744, ``delegated_cred_handle``); that is taken out of its state here.
"""

import base64
import ctypes
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import kerberos  # type: ignore[import-not-found]

GSS_C_INITIATE = 1


class State(ctypes.Structure):
    """``gss_server_state`` of pykerberos 1.2 (``kerberosgss.h``)."""

    _fields_ = (
        ("context", ctypes.c_void_p),
        ("server_name", ctypes.c_void_p),
        ("client_name", ctypes.c_void_p),
        ("server_creds", ctypes.c_void_p),
        ("client_creds", ctypes.c_void_p),
        ("username", ctypes.c_char_p),
    )


class Pair(ctypes.Structure):
    """``gss_key_value_element_desc`` (MIT, ``gssapi_ext.h``)."""

    _fields_ = (("key", ctypes.c_char_p), ("value", ctypes.c_char_p))


class Pairs(ctypes.Structure):
    """``gss_key_value_set_desc``."""

    _fields_ = (("count", ctypes.c_uint32), ("elements", ctypes.POINTER(Pair)))


def accept(token: str, scratch: str) -> dict[str, str]:
    """The answer that the module's text describes."""
    try:
        _, context = kerberos.authGSSServerInit("")  # any key of the keytab, whatever this host is called
        kerberos.authGSSServerStep(context, token)
    except kerberos.KrbError as error:
        return {"error": str(error)}
    principal = kerberos.authGSSServerUserName(context)
    return {
        "principal": principal,
        "reply": kerberos.authGSSServerResponse(context) or "",
        "tickets": base64.b64encode(delegated(context, principal, scratch)).decode(),
    }


def delegated(context: Any, principal: str, scratch: str) -> bytes:
    """A FILE cache with the ticket that was passed on; empty if none was.

    Raises:
        OSError: GSSAPI cannot store it.
        TypeError: another pykerberos, with another state.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    state = State.from_address(pointer(context, None))
    if state.username != principal.encode():
        raise TypeError("this pykerberos keeps its state in another way")
    if not state.client_creds:
        return b""
    gssapi = ctypes.CDLL(f"{sys.prefix}/lib/libgssapi_krb5.so.2")
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".accept-") as folder:
        path = Path(folder) / "krb5cc"
        pairs = Pairs(1, ctypes.pointer(Pair(b"ccache", f"FILE:{path}".encode())))
        minor = ctypes.c_uint32()
        credential = ctypes.c_void_p(state.client_creds)
        major = gssapi.gss_store_cred_into(
            ctypes.byref(minor), credential, GSS_C_INITIATE, None, 1, 1, ctypes.byref(pairs), None, None
        )
        if major:
            raise OSError(f"gss_store_cred_into: {ctypes.c_uint32(major).value:#x}, {minor.value}")
        return path.read_bytes()


if __name__ == "__main__":
    json.dump(accept(**json.load(sys.stdin)), sys.stdout)
