"""Byte code made by the Python that will run it."""

import struct
import subprocess
from pathlib import Path
from types import TracebackType

from forge.errors import ForgeError

_SERVER = Path(__file__).with_name("pyc_server.py")
_ISOLATED = ("-I", "-S", "-B")
_IDENTITY = (
    "import importlib.util, platform, sys;"
    "print(sys.implementation.cache_tag, platform.python_version(), importlib.util.MAGIC_NUMBER.hex())"
)


def identity(python: Path) -> tuple[str, str]:
    """What decides the byte code that ``python`` makes.

    Returns:
        Its cache tag (``cpython-313``), and a text that also holds its version and its byte code's magic number.

    Raises:
        ForgeError: ``python`` does not run.
    """
    command = [str(python), *_ISOLATED, "-c", _IDENTITY]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ForgeError(f"{python} does not run, so there is no byte code: {error}.", "Build it again.") from error
    return done.stdout.split()[0], done.stdout.strip()


class Compiler:
    """One process of the target's Python that compiles source after source; ends with the block, or with its parent.

    The same sources in the same order give the same byte code. Another order need not: ``marshal`` writes down which
    objects others refer to, and a process goes on referring to strings that sources share.
    """

    def __init__(self, python: Path) -> None:
        self.python = python

    def __enter__(self) -> "Compiler":
        command = [str(self.python), *_ISOLATED, "-X", "utf8", str(_SERVER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def compile(self, name: str, source: bytes) -> bytes | None:
        """The content of the ``.pyc`` file, None when ``source`` is not valid in that Python (a template, Python 2).

        Args:
            name: the file name that tracebacks show until the module is imported from its real place.
            source: as in the file; its coding cookie is honoured.

        Raises:
            ForgeError: the interpreter died.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        encoded = name.encode()
        try:
            stdin.write(struct.pack(">II", len(encoded), len(source)) + encoded + source)
            stdin.flush()
            head = stdout.read(4)
            length = struct.unpack(">I", head)[0]
        except (BrokenPipeError, struct.error) as error:
            raise ForgeError(f"{self.python} died while it compiled {name}.") from error
        return stdout.read(length) or None
