"""Byte code on request; run by the interpreter that the byte code is for, so it imports nothing of forge.

Standard input: a record per source file, standard output: a record per answer, in the same order, all numbers unsigned,
32 bits, big-endian: name length, source length, name (UTF-8), source; answered by length, byte code. Length 0: this
source is not valid in this Python. The byte code is unchecked and hash-based (PEP 552): right whatever happens to the
source's modification time on its way into a prefix.
"""

import importlib.util
import marshal
import signal
import struct
import sys
import warnings

_HASH_BASED_UNCHECKED = (0b01).to_bytes(4, "little")


def byte_code(name: str, source: bytes) -> bytes:
    """The content of a ``.pyc`` file, empty when ``source`` does not compile."""
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return b""
    head = importlib.util.MAGIC_NUMBER + _HASH_BASED_UNCHECKED + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


def serve() -> None:
    """Answers until standard input ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(8):
        name_length, source_length = struct.unpack(">II", head)
        name = requests.read(name_length).decode()
        answer = byte_code(name, requests.read(source_length))
        answers.write(struct.pack(">I", len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    serve()
