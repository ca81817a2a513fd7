"""Where an old hub has its things: configuration, database, key and certificate; and whether it runs."""

import pwd
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubctl import processes
from hubctl.errors import HubError
from hubctl.oldsite import reading
from hubctl.oldsite.oldconfig import OldConfig
from hubctl.processes import Process

CONFIG = "jupyterhub_config.py"
_PLACES = (CONFIG, f"etc/jupyterhub/{CONFIG}", f"etc/{CONFIG}")
_ELSEWHERE = (f"/etc/jupyterhub/{CONFIG}", f"/srv/jupyterhub/{CONFIG}", f"/root/{CONFIG}")


@dataclass(frozen=True)
class OldHub:
    """An old hub.

    Attributes:
        prefix: the environment that it was installed in.
        running: its process, where it runs.
        folders: where files are looked for that its configuration names without a folder.
    """

    prefix: Path
    config: OldConfig
    running: Process | None
    folders: tuple[Path, ...]

    @property
    def database(self) -> Path | None:
        """Its SQLite database, where there is one.

        Raises:
            HubError: it has one of another kind.
        """
        option = self.config.options.get("JupyterHub.db_url")
        address = option.value if option else "sqlite:///jupyterhub.sqlite"
        if not isinstance(address, str):
            return None
        if "://" in address and not address.startswith("sqlite:///"):
            kind = address.partition(":")[0]
            raise HubError(
                f"its database is one of {kind}", "this hub has SQLite's alone; users' names come back by login"
            )
        return self.found(address.removeprefix("sqlite:///").partition("?")[0])

    def file(self, name: str) -> Path | None:
        """The file that the option ``name`` names, where it is there."""
        option = self.config.options.get(name)
        return self.found(option.value) if option and isinstance(option.value, str) else None

    def found(self, name: str) -> Path | None:
        """A file by its path, or by its name in one of the folders."""
        candidates = (folder / Path(name).expanduser() for folder in self.folders)
        return next((path for path in candidates if path.is_file()), None)

    def how_to_stop(self) -> str:
        """Who has to end it, and how; this command ends nothing that it has not started."""
        assert self.running
        unit = _unit(self.running.pid)
        if unit:
            return f"`systemctl disable --now {unit}` stops it"
        return f"whoever started it (it runs as {_user(self.running.pid)}) stops it: kill {self.running.pid}"


def find(prefix: Path, config: Path | None) -> OldHub:
    """Finds the old hub that was installed in ``prefix``.

    Args:
        config: its configuration, where that is not in a usual place.

    Raises:
        HubError: there is none, or several could be meant, or it is a hub of ours.
    """
    if not prefix.is_dir():
        raise HubError(f"{prefix} is no folder", "give the environment that the old hub was installed in")
    running = next(_hubs_of(prefix), None)
    path = config or _config_of(running) or _only(prefix)
    found = reading.read(path)
    if found.is_ours:
        raise HubError(
            f"{path} is the configuration of a hub like this one", "`hubctl backup` and `restore` take it along"
        )
    folders = [*([_folder(running)] if running else []), path.parent, prefix, Path.cwd()]
    return OldHub(prefix, found, running, tuple(dict.fromkeys(folder.absolute() for folder in folders)))


def _only(prefix: Path) -> Path:
    for places in ([prefix / name for name in _PLACES], [Path(name) for name in _ELSEWHERE]):
        found = [path for path in places if path.is_file()]
        if len(found) > 1:
            names = ", ".join(map(str, found))
            raise HubError(
                f"The old hub may have been configured by each of these: {names}", "say which: --config FILE"
            )
        if found:
            return found[0]
    raise HubError(f"There is no {CONFIG} in {prefix}, nor in {', '.join(_ELSEWHERE)}", "say where: --config FILE")


def _hubs_of(prefix: Path) -> Iterator[Process]:
    """Hubs that run from an environment: JupyterHub's script or module, by a Python of that environment."""
    for process in processes.all_of_the_host():
        words = process.words
        if not any(Path(word).name == "jupyterhub" for word in words[:4]):  # hubctl starts `python -P -m jupyterhub`
            continue
        # the program, too: who started it may have typed no more than `python -m jupyterhub`
        named = [*map(Path, words[:2]), _program(process)]
        if any(path.is_relative_to(folder) for path in named for folder in _names_of(prefix)):
            yield process


def _program(process: Process) -> Path:
    """The file that it was started from."""
    try:
        return (processes.PROC / str(process.pid) / "exe").readlink()
    except OSError:
        return Path()


def _names_of(folder: Path) -> Sequence[Path]:
    return (folder.absolute(), folder.resolve())


def _folder(process: Process) -> Path:
    return (processes.PROC / str(process.pid) / "cwd").resolve()


def _config_of(process: Process | None) -> Path | None:
    """The file that a running hub was told of: ``-f FILE``, ``--config FILE``, ``--config=FILE``."""
    if process is None:
        return None
    found = re.search(r"(?:^|\0)(?:-f|--config|--JupyterHub\.config_file)(?:\0|=)([^\0]+)", "\0".join(process.words))
    path = _folder(process) / (found[1] if found else CONFIG)
    return path if path.is_file() else None


def _unit(pid: int) -> str:
    """The service of systemd that a process is of (cgroups(7)); empty where it is of none."""
    try:
        text = (processes.PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""
    found = re.search(r"/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)", text)
    return found[1] if found else ""


def _user(pid: int) -> str:
    try:
        uid = (processes.PROC / str(pid)).stat().st_uid
        return pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        return "another user"
