"""The hub's log where there is no journal. ``python -m hubctl.logfile FILE`` writes there what comes in.

A process of its own does so, since a file that the hub, its proxy and its services write by themselves can't be put
aside while they run: each of them would go on in the old one.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from hubctl.layout import Layout

ROTATE_ABOVE = 10 * 1024**2
"""Bytes above which a new file is begun, where logrotate does not see to it."""
KEEP = 5
"""Old files that are kept."""


def start_writer(path: Path) -> subprocess.Popen[bytes]:
    """Starts the process that writes the log; it ends when everybody who had its standard input has ended."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    command = [sys.executable, "-I", "-B", "-m", "hubctl.logfile", str(path)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=path.parent,
        start_new_session=True,
    )


def of_its_own(pid: int) -> str | None:
    """The file, or terminal, that a hub logs to which somebody has started by hand.

    None where its log or a journal has it, and for whoever may not look.
    """
    try:
        target = str(Path(f"/proc/{pid}/fd/2").readlink())  # what Python's logging writes to
    except OSError:
        return None
    return target if target.startswith("/") else None


class LogFile:
    """A file that may be put aside at any time, by logrotate or by us: the next line begins the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def write(self, line: bytes) -> None:
        """Appends a line, at once.

        Raises:
            OSError: the disk is full, or the folder is not there.
        """
        file = self._open()
        if os.fstat(file.fileno()).st_size > ROTATE_ABOVE and not Layout.current().logrotate.exists():
            _put_aside(self.path)
            file = self._open()
        file.write(line)

    def _open(self) -> IO[bytes]:
        """The file that has the name now, 0640; reopened where another one has it, or none."""
        if self._file and self.path.exists() and os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
            return self._file
        if self._file:
            self._file.close()
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._file = os.fdopen(handle, "ab", buffering=0)
        return self._file


def _put_aside(path: Path) -> None:
    """Names the file ``.1``, the one before ``.2``, and so on."""
    for number in range(KEEP, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))


def since(path: Path, offset: int, lines: int) -> list[str]:
    """The last ``lines`` that were written after ``offset`` bytes, or into a new file since."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) >= offset:
            file.seek(offset)
        else:
            file.seek(0)
        return file.read().decode(errors="replace").splitlines()[-lines:]


def main() -> None:
    """Writes line by line until there is nobody left who could say something."""
    # whoever shuts the server down tells everybody at once, and the hub still has something to say then
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    log = LogFile(Path(sys.argv[1]))
    for line in sys.stdin.buffer:
        with contextlib.suppress(OSError):  # a full disk: what is said is lost, but the hub goes on
            log.write(line)


if __name__ == "__main__":
    main()
