"""The machine that is set up, and the words that a step speaks about it."""

import grp
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from post_install.messages import message

GROUP = "jupyterhub"
"""Members may log in and write to the shared folder."""

PREFIX_FILE = "/var/lib/jupyterhub/prefix"
"""Names the base prefix whose hub the host is set up for; the installer's header reads it, too."""

UNIT_PATH = "/etc/systemd/system/jupyterhub.service"
"""The hub's unit, which names its programs."""

PID_FILE = "/run/jupyterhub/hub.pid"
"""Begins with the number of the process of a hub that was started without systemd."""


class StepError(Exception):
    """What is wrong with which thing, and what the administrator can do about it."""

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(f"{what}; {do}" if do else what)


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code, its standard output, and the last line it said on standard error."""

    code: int
    output: str
    complaint: str


Runner = Callable[[Sequence[str]], Ran]


def run_command(command: Sequence[str]) -> Ran:
    """Runs ``command`` with a plain environment and no input; files that it makes are readable by their owner alone.

    Raises:
        StepError: the command is not there, or takes longer than a minute.
    """
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            umask=0o077,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        raise StepError(message("command_missing", command=command[0]), message("install_it")) from None
    except subprocess.TimeoutExpired:
        raise StepError(message("command_slow", command=" ".join(command))) from None
    lines = ended.stderr.strip().splitlines()
    return Ran(ended.returncode, ended.stdout, lines[-1] if lines else "")


@dataclass
class Host:
    """Where the steps work.

    Attributes:
        prefix: the base prefix; the hub's environment is ``envs/jupyterhubenv`` below it.
        config: the folder with the shipped defaults.
        root: what stands for ``/``.
        is_root: whether owners can be changed (uid 0).
        auth: the authenticator that the caller insists on, empty: what was chosen before, else what the host has.
        spawner: the same for the spawner.
        show_differences: print what an edited file and its changed default differ in; that may be a secret, so it is
            done for whoever is at the terminal, and not for a log.
        run: runs a command; the tests replace it.
    """

    prefix: Path
    config: Path
    root: Path = Path("/")
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    auth: str = ""
    spawner: str = ""
    show_differences: bool = False
    run: Runner = run_command

    @property
    def env(self) -> Path:
        """The prefix of the environment that the hub runs in; ``prefix`` itself where it has no such environment."""
        named = self.prefix / "envs" / "jupyterhubenv"
        return named if named.is_dir() else self.prefix

    @property
    def is_real(self) -> bool:
        """Whether ``/`` itself is set up, and not a folder that stands for it."""
        return self.root == Path("/")

    def at(self, path: str) -> Path:
        """Where the host's absolute ``path`` lies; paths in the prefix do not move with the root."""
        if Path(path).is_relative_to(self.prefix):
            return Path(path)
        return self.root / path.lstrip("/")

    def group_id(self, name: str) -> int | None:
        """The id of a group of this host; ``None`` when there is no such group."""
        if name == "root":
            return 0
        if self.is_real:
            try:
                return grp.getgrnam(name).gr_gid
            except KeyError:
                return None
        path = self.at("/etc/group")
        lines = path.read_text().splitlines() if path.is_file() else []
        entries = [line.split(":") for line in lines]
        return next((int(entry[2]) for entry in entries if entry[0] == name and len(entry) > 2), None)

    def must(self, *command: str) -> str:
        """Runs a command that has to succeed; gives its output.

        Raises:
            StepError: it did not; with its own words.
        """
        ran = self.run(command)
        if ran.code:
            words = " ".join(command)
            raise StepError(message("command_failed", command=words, code=ran.code, why=ran.complaint))
        return ran.output


def needs_host(host: Host) -> str:
    """Why the host itself can't be set up, for want of rights or since another hub has it; empty when it can."""
    if host.is_real and not host.is_root:
        return message("needs_root")
    other = other_prefix(host)
    if other and (replace(host, prefix=Path(other)).env / "bin" / "hubctl").exists():
        return message("of_another", prefix=other)
    return ""


def other_prefix(host: Host) -> str:
    """The other prefix for whose hub the host is set up, there still or gone; empty where it is this one's, or nothing
    says whose it is."""
    file = host.at(PREFIX_FILE)
    name = file.read_text().strip() if file.is_file() else _prefix_of_unit(host) or _prefix_of_hub(host)
    return "" if name == str(host.prefix) else name


def _prefix_of_unit(host: Host) -> str:
    """The prefix of the programs that the unit starts, where an earlier release has set the host up."""
    file = host.at(UNIT_PATH)
    text = file.read_text(errors="replace") if file.is_file() else ""
    found = re.search(r'^ExecStart="?(/[^\s"]*)/envs/jupyterhubenv/bin/jupyterhub\b', text, re.MULTILINE)
    return found[1] if found else ""


def _prefix_of_hub(host: Host) -> str:
    """The prefix of the hub that runs: without systemd, what an earlier release has set up says it nowhere else."""
    try:
        pid = int(host.at(PID_FILE).read_text().split("\n")[0])
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except (OSError, ValueError):
        return ""
    found = re.fullmatch(r"(/.*)/envs/jupyterhubenv/bin/[^/]+", program)
    return str(Path(found[1]).resolve()) if found else ""


@dataclass(frozen=True)
class Step:
    """One concern of the host.

    Attributes:
        name: how messages call it.
        check: what is missing or wrong, a line each; changes nothing.
        ensure: repairs it; what was changed, a line each.
        unless: why the step does not apply to this host; empty when it does.
        carries: whether the steps after it build on it, so that none of them runs when it fails.
    """

    name: str
    check: Callable[[Host], list[str]]
    ensure: Callable[[Host], list[str]]
    unless: Callable[[Host], str] = needs_host
    carries: bool = False
