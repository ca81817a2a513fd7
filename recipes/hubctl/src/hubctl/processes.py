"""Processes told apart by pid and start time, so that a pid in use again is not taken for the old process."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hubctl import wholefile
from hubctl.layout import Layout

PROC = Path("/proc")
PROXY = "configurable-http-proxy"


@dataclass(frozen=True)
class Process:
    """One process of this boot.

    Attributes:
        pid: its number.
        started: when it started, in clock ticks since boot (proc(5), `starttime`).
        boot: the boot that it belongs to.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The living process with this number."""
        fields = _stat(pid)
        # a zombie whose other threads are still ending holds its ports still
        if fields is None or (fields[0] in ("Z", "X") and int(fields[17]) <= 1):
            return None
        return cls(pid, int(fields[19]), _boot_id())

    @property
    def command(self) -> str:
        """Its name, as proc(5) `comm` has it; for people, never to tell processes apart."""
        try:
            name = (PROC / str(self.pid) / "comm").read_text(errors="replace").strip()
        except OSError:
            return "ended"
        # Node gives its process this name, too
        return Path(self.words[0]).name if name == "MainThread" and self.words else name

    @property
    def words(self) -> list[str]:
        """Its command line; empty when it has ended, or is another user's."""
        return _strings(self.pid, "cmdline")

    @property
    def since(self) -> datetime:
        """When it started, as the clock says now (proc(5): `btime` in `stat`)."""
        rows = [line.split() for line in (PROC / "stat").read_text().splitlines()]
        booted = next(int(row[1]) for row in rows if row[0] == "btime")
        return datetime.fromtimestamp(booted + self.started / os.sysconf("SC_CLK_TCK")).astimezone()

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:  # asked after the descriptor was opened: it can't be another process any more
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)


def read_pid_file(path: Path) -> Process | None:
    """The process that a pid file names; None where the file is missing or not one of ours."""
    try:
        pid, started, boot = path.read_text(encoding="ascii").split()
        return Process(int(pid), int(started), boot)
    except (OSError, ValueError):
        return None


def write_pid_file(path: Path, process: Process) -> None:
    """Writes three lines: pid (what other programs look for), start time, boot."""
    wholefile.write(path, f"{process.pid}\n{process.started}\n{process.boot}\n")


def descendants(process: Process) -> list[Process]:
    """The process's children, their children, and so on, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[Process] = []
    waiting = [process.pid]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            waiting.append(pid)
            if child := Process.of(pid):
                found.append(child)
    return found


def all_of_the_host() -> Iterator[Process]:
    """Every process that is there now."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := Process.of(int(entry.name))):
            yield process


def wait_ended(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Waits at most ``seconds``; gives those that still run."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [process for process in left if process.alive]
    return left


def is_proxy(pid: int, environment: Path, root: Path) -> bool:
    """Whether a process is the proxy that the hub below ``root`` has started from ``environment``.

    The program in ``bin`` is a script that hands over to node; either form counts, and a prefix reached by a link.
    Whose hub it is stands in the variable that the proxy has inherited; its ports may have been other ones then.
    """
    folders = (environment, environment.resolve())
    words = [Path(os.path.normpath(word)) for word in _strings(pid, "cmdline")]
    ours = any(word.name == PROXY and any(word.is_relative_to(folder) for folder in folders) for word in words)
    variables = dict(entry.partition("=")[::2] for entry in _strings(pid, "environ"))
    return ours and Layout.of(variables).root == root


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process does something of its own on the signal (proc(5), status, SigCgt); False when it has ended."""
    try:
        status = (PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return False
    masks = dict(line.partition(":\t")[::2] for line in status.splitlines())
    return bool(int(masks["SigCgt"], 16) >> (number - 1) & 1)


def services(folder: Path) -> list[Process]:
    """The services of a hub that runs in ``folder``, or ran there and was killed: they run where it does, and each has
    its name in a variable."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    found = [Process.of(pid) for pid in pids if _is_service(pid, folder)]
    return [process for process in found if process]


def _is_service(pid: int, folder: Path) -> bool:
    if not any(variable.startswith("JUPYTERHUB_SERVICE_NAME=") for variable in _strings(pid, "environ")):
        return False
    try:
        return (PROC / str(pid) / "cwd").samefile(folder)
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether some process of this host listens on the TCP port, on whatever address."""
    return bool(_listening_sockets(port))


def listeners(port: int) -> list[Process]:
    """The processes that listen on the TCP port; of other users' only root is told."""
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()] if sockets else []
    found = [Process.of(pid) for pid in pids if not sockets.isdisjoint(_open_files(pid))]
    return [process for process in found if process]


def _listening_sockets(port: int) -> set[str]:
    """The inodes of the sockets that listen there (proc(5), state 0A)."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        rows = [line.split() for line in (PROC / table).read_text().splitlines()[1:]] if (PROC / table).exists() else []
        found |= {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    return found


def _open_files(pid: int) -> Iterator[str]:
    """What the process's descriptors lead to; nothing when it has ended or is another user's."""
    with contextlib.suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(entry.readlink())


def _strings(pid: int, name: str) -> list[str]:
    """What proc(5) keeps of the process's arguments or variables; empty when it has ended or is another user's."""
    try:
        return (PROC / str(pid) / name).read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """The fields of proc(5) `stat` after the name: state, ppid, … (index 17: num_threads, 19: starttime)."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
