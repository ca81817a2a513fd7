"""Asks PAM about one login; run as a program.

A process of its own, since PAM's modules wait as long as they like, bring another build of the Kerberos library than
the hub's, and keep their state for a whole process.

Reads ``{"service", "username", "encoding", "passwords", "check", "copy"}``: without ``passwords`` (null) the account
alone is checked; ``copy`` is null or ``{"scratch", "uid", "gid"}``: asks for the tickets that PAM's modules have made,
``scratch`` is a folder that only the hub can write to.
Writes ``{"step", "errno", "said", "cache", "tickets"}``: the step that failed (``authenticate``, ``account``) or null,
PAM's error number (``_pam_types.h``) and words, the modules' ``KRB5CCNAME``, and as a FILE cache in base64 what it has.
"""

import base64
import ctypes
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# pamela looks for its libraries by this module. The real one runs compilers and ldconfig, which takes longer than the
# rest of this program; its import alone takes a third of the time until PAM is asked.
_finder = ModuleType("ctypes.util")
_finder.find_library = {"pam": "libpam.so.0", "c": "libc.so.6"}.get  # type: ignore[attr-defined]
sys.modules["ctypes.util"] = _finder

import pamela  # noqa: E402

KERBEROS_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/libkrb5.so.3",
    "/usr/lib64/libkrb5.so.3",
    f"{sys.prefix}/lib/libkrb5.so.3",
)
"""The system's first: it reads all types of caches that the system's PAM modules make."""

MAX_SIZE = 1 << 20


class Conversation:
    """Answers PAM's prompts with the passwords, in their order, and keeps what else the modules say."""

    def __init__(self, passwords: list[str], encoding: str) -> None:
        self._answers = [word.encode(encoding) for word in passwords]
        self.said: list[str] = []
        self.function = pamela.CONV_FUNC(self._answer)

    def _answer(self, count: int, messages: Any, responses: Any, _data: Any) -> int:
        address = pamela.CALLOC(count, ctypes.sizeof(pamela.PamResponse))
        responses[0] = ctypes.cast(address, ctypes.POINTER(pamela.PamResponse))
        for index in range(count):
            message = messages[index].contents
            if message.msg_style != pamela.PAM_PROMPT_ECHO_OFF or not self._answers:
                text = ctypes.cast(message.msg, ctypes.c_char_p).value or b""
                self.said.append(text.decode("utf-8", "replace"))
            elif self._answers:
                responses.contents[index].resp = pamela.STRDUP(self._answers.pop(0))
                continue
            if message.msg_style in (pamela.PAM_PROMPT_ECHO_OFF, pamela.PAM_PROMPT_ECHO_ON):
                return 19  # PAM_CONV_ERR: a question that no form has asked
        return 0


def ask(service: str, username: str, encoding: str, passwords: list[str] | None, check: bool, copy: Any) -> Any:
    """The answer that the module's text describes."""
    conversation = Conversation(passwords or [], encoding)
    handle = pamela.pam_start(service, username, conversation.function, encoding)
    answer = {"step": None, "errno": 0, "said": "", "cache": "", "tickets": ""}
    code = 0
    for step, wanted, call in (
        ("authenticate", passwords is not None, pamela.PAM_AUTHENTICATE),
        ("account", check, pamela.PAM_ACCT_MGMT),
    ):
        code = call(handle, 0) if wanted else 0
        if code:
            words = [pamela.pam_strerror(handle, code), *conversation.said]
            answer |= {"step": step, "errno": code, "said": "; ".join(words)}
            break
    if not code and copy is not None:
        answer |= tickets(handle, copy)
    pamela.PAM_END(handle, code)
    return answer


def tickets(handle: Any, copy: dict[str, Any]) -> dict[str, Any]:
    """Lets the modules set up the user's credentials, copies the tickets, lets the modules remove theirs."""
    # not what pamela does by itself, to reinitialise: pam_krb5 leaves a file behind then
    if pamela.PAM_SETCRED(handle, pamela.PAM_ESTABLISH_CRED):
        return {}
    cache = handle.get_envlist().get("KRB5CCNAME", "")
    found = (read_as_user(library, cache, **copy) for library in KERBEROS_LIBRARIES if Path(library).exists())
    content = next(filter(None, found), b"") if cache else b""
    pamela.PAM_SETCRED(handle, pamela.PAM_DELETE_CRED)
    return {"cache": cache, "tickets": base64.b64encode(content).decode()}


def read_as_user(library: str, cache: str, scratch: str, uid: int, gid: int) -> bytes:
    """What a cache of any type holds, read with the user's rights alone; empty if it cannot be read."""
    try:
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".pam-") as folder:
            copy = Path(folder) / "krb5cc"
            os.chown(folder, uid, gid)
            if not run_as(uid, gid, lambda: copy_cache(library, cache, f"FILE:{copy}")):
                return b""
            fd = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as file:
                status = os.fstat(fd)
                return file.read(MAX_SIZE) if stat.S_ISREG(status.st_mode) and status.st_uid == uid else b""
    except OSError as error:
        print(error, file=sys.stderr)
        return b""


def run_as(uid: int, gid: int, action: Callable[[], None]) -> bool:
    """Does something in a process with an account's rights; whether it went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(gid)
                os.setuid(uid)
            os.umask(0o077)
            action()
            code = 0
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def copy_cache(library: str, source: str, target: str) -> None:
    """See krb5_cc_resolve, krb5_cc_initialize and krb5_cc_copy_creds in MIT's API reference.

    Raises:
        OSError: there is no such cache, or it cannot be copied.
    """
    krb5 = ctypes.CDLL(library)
    context, old, new, principal = (ctypes.c_void_p() for _ in range(4))

    def call(name: str, *arguments: Any) -> None:
        if code := getattr(krb5, name)(*arguments):
            raise OSError(f"{source}: {name}: {ctypes.c_int32(code).value}")

    call("krb5_init_context", ctypes.byref(context))
    call("krb5_cc_resolve", context, source.encode(), ctypes.byref(old))
    call("krb5_cc_get_principal", context, old, ctypes.byref(principal))
    call("krb5_cc_resolve", context, target.encode(), ctypes.byref(new))
    call("krb5_cc_initialize", context, new, principal)
    call("krb5_cc_copy_creds", context, old, new)
    call("krb5_cc_close", context, new)


def main() -> None:
    """Answers on what is the standard output now; what a module prints goes elsewhere."""
    answers = os.dup(1)
    os.dup2(2, 1)
    question = json.loads(sys.stdin.buffer.read())
    with os.fdopen(answers, "w") as stream:
        json.dump(ask(**question), stream)


if __name__ == "__main__":
    main()
