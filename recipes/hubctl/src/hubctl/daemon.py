"""The hub without systemd: started in a session of its own, ended by its pid file and nothing else."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hubctl import api, hostcheck, hubaddress, logfile
from hubctl import layout as places
from hubctl.errors import HubError
from hubctl.fulldisk import is_full, no_space
from hubctl.layout import Layout
from hubctl.processes import (
    Process,
    descendants,
    is_proxy,
    listeners,
    listens,
    read_pid_file,
    services,
    wait_ended,
    write_pid_file,
)
from hubctl.settings import Settings

END_SECONDS = 30
"""How long the hub may take to end its proxy and servers before it is killed."""


@dataclass(frozen=True)
class Daemon:
    """The hub of one root, to be started with its settings."""

    layout: Layout
    settings: Settings

    def start(self) -> Process:
        """Starts the hub in the background and waits until it answers.

        Raises:
            HubError: it runs already, its ports are taken, it ended, or it does not answer in time.
            KeyboardInterrupt: ctrl-C; what had been started is ended.
        """
        with alone(self.layout):
            self._check_can_start()
            offset = self.layout.log.stat().st_size if self.layout.log.exists() else 0
            writer = logfile.start_writer(self.layout.log)
            assert writer.stdin
            with writer.stdin:
                child = subprocess.Popen(
                    _command(),
                    stdin=subprocess.DEVNULL,
                    stdout=writer.stdin,
                    stderr=subprocess.STDOUT,
                    cwd=self.layout.state,
                    start_new_session=True,
                )
            process = Process.of(child.pid)
            try:
                if process:
                    self._write_down(process)
            except HubError:
                self._give_up(process)
                raise
            try:
                return self._wait_ready(child, process, _LastWords(self.layout.log, offset, writer))
            except KeyboardInterrupt:
                self._give_up(process)
                raise KeyboardInterrupt("the hub that was starting was ended") from None

    def run(self) -> NoReturn:
        """Becomes the hub, in the foreground.

        Raises:
            HubError: it runs already, or its ports are taken.
        """
        with alone(self.layout):
            self._check_can_start()
            process = Process.of(os.getpid())
            assert process
            self._write_down(process)
        os.chdir(self.layout.state)
        os.execv(_command()[0], _command())

    def _write_down(self, hub: Process) -> None:
        """Writes the pid file, without which the next command would not know of the hub.

        Raises:
            HubError: it can't be written.
        """
        try:
            write_pid_file(self.layout.hub_pid, hub)
        except OSError as error:
            if is_full(error):
                raise no_space("The hub was not started", self.layout.runtime) from None
            raise HubError(f"{self.layout.hub_pid} can't be written: {error.strerror}") from None

    def check(self, hub: int | None) -> None:
        """Refuses what a start would refuse, before a hub that runs is stopped for it.

        Args:
            hub: that hub's process, whoever has started it: what it and its proxy listen on will be free.

        Raises:
            HubError: the settings do not fit this host, Python can't read a file, Docker does not answer, or another
                program has a port.
        """
        hostcheck.check(self.settings, self.layout)
        for host, port, setting in self._addresses():
            if not any(self._is_ours(process, hub) for process in listeners(port)):
                _check_free(host, port, setting)

    def _is_ours(self, process: Process, hub: int | None) -> bool:
        return process.pid == hub or is_proxy(process.pid, places.environment(), self.layout.root)

    def _addresses(self) -> list[tuple[str, int, str]]:
        """Where hub and proxy are to listen: host, port, and the setting that the port comes from."""
        ports = self.settings.internal_ports
        return [
            (str(self.settings.bind), self.settings.port, "port"),
            (hubaddress.of(self.settings), ports.hub, "internal_ports.hub"),
            ("127.0.0.1", ports.proxy_api, "internal_ports.proxy_api"),
        ]

    def _check_can_start(self) -> None:
        if hub := running(self.layout):
            raise AlreadyRunningError(hub, api.public_url(self.settings))
        hostcheck.check(self.settings, self.layout)
        end(leftovers(self.layout))
        for address in self._addresses():
            _check_free(*address)

    def _wait_ready(self, child: subprocess.Popen[bytes], process: Process | None, last_words: "_LastWords") -> Process:
        deadline = time.monotonic() + api.READY_SECONDS
        while time.monotonic() < deadline:
            code = child.poll()
            if code is not None or process is None:
                self.layout.hub_pid.unlink(missing_ok=True)
                raise HubError(f"The hub ended with exit code {code}. {last_words}")
            # asked only when the hub listens: the proxy logs an error for each request before
            if listens(self.settings.internal_ports.hub) and api.healthy(self.settings, self.layout):
                return process
            time.sleep(0.2)
        self._give_up(process)
        raise HubError(f"The hub did not answer in {api.READY_SECONDS} s and was ended. {last_words}")

    def _give_up(self, process: Process | None) -> None:
        end([process, *descendants(process)] if process else [])
        self.layout.hub_pid.unlink(missing_ok=True)


@dataclass(frozen=True)
class _LastWords:
    """What a hub that has ended had to say.

    Attributes:
        offset: where in the log it began.
        writer: who writes the log, and ends after the hub.
    """

    log: Path
    offset: int
    writer: subprocess.Popen[bytes]

    def __str__(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.writer.wait(5)
        said = logfile.since(self.log, self.offset, 15) if self.log.exists() else []
        lines = "\n".join(f"  {line}" for line in said)
        return f"{self.log} says:\n{lines}"


class AlreadyRunningError(HubError):
    """There is a hub already."""

    def __init__(self, hub: Process, url: str) -> None:
        super().__init__(f"The hub runs already (process {hub.pid}) on {url}")


def running(layout: Layout) -> Process | None:
    """The hub's process, when it runs."""
    process = read_pid_file(layout.hub_pid)
    return process if process and process.alive else None


def proxy_process(layout: Layout) -> Process | None:
    """The proxy that JupyterHub's pid file names, when it is this hub's and runs."""
    try:
        process = Process.of(int(layout.proxy_pid.read_text()))
    except (OSError, ValueError):
        return None
    return process if process and is_proxy(process.pid, places.environment(), layout.root) else None


def stop(layout: Layout) -> bool:
    """Ends the hub, its proxy and its services; users' local servers, too, but not their containers.

    Asks the settings nothing: a hub whose hub.yaml has been broken can be ended.

    Returns:
        Whether anything had to be ended.

    Raises:
        HubError: something could not be ended.
    """
    if not layout.runtime.is_dir():
        return False
    with alone(layout):
        hub = running(layout)
        family = ([hub, *descendants(hub)] if hub else []) + leftovers(layout)
        if hub:
            hub.signal(signal.SIGTERM)
            wait_ended([hub], END_SECONDS)
        end(family)
        layout.hub_pid.unlink(missing_ok=True)
        if family:
            layout.proxy_pid.unlink(missing_ok=True)
        return bool(family)


def leftovers(layout: Layout) -> list[Process]:
    """What goes on when a hub was killed: its proxy, which has our certificate's port still, and its services."""
    proxy = proxy_process(layout)
    return [*([proxy] if proxy else []), *services(layout.state)]


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Holds the lock of this root: two starts at a time would both find the ports free."""
    try:
        layout.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(layout.start_lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HubError(
            f"{layout.runtime} can't be used: {error.strerror}", "run this as the user that the hub runs as"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _command() -> list[str]:
    # -P, and not -I: the administrator's Python may want PYTHONPATH, as it has it with the command `jupyterhub`
    return [sys.executable, "-P", "-m", "jupyterhub", "--config", str(places.hub_config())]


def end(processes: list[Process]) -> None:
    """SIGTERM, a while, SIGKILL, to exactly these.

    Raises:
        HubError: one is still there.
    """
    for number, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        processes = [process for process in processes if process.alive]
        for process in processes:
            process.signal(number)
        processes = wait_ended(processes, seconds)
    if processes:
        pids = ", ".join(str(process.pid) for process in processes)
        raise HubError(f"These processes can't be ended: {pids}", "the kernel holds them; look at `ps -o stat,wchan`")


def _check_free(host: str, port: int, setting: str) -> None:
    """Raises a HubError where another program listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                do = f"`hubctl doctor` says which; end it, or change `{setting}` in hub.yaml"
                raise HubError(f"Port {port} is taken by another program", do) from None
            do = f"change `{setting}` in hub.yaml"
            raise HubError(f"Can't listen on {host}, port {port} ({error.strerror})", do) from None


def log_path(layout: Layout) -> Path:
    """The file that ``hubctl logs`` shows.

    Raises:
        HubError: there is none yet.
    """
    if not layout.log.exists():
        raise HubError(f"{layout.log} is not there", "the hub has not been started yet by `hubctl start`")
    return layout.log
