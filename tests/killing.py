"""Ends a command by SIGKILL as soon as an upgrade has come to a point, which is seen by the files that are there.

As a program, for a server's own Python: `python killing.py PREFIX OLD NEW POINT COMMAND…`; exit code 1 when the command
ended before it. Only the standard library can be imported here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOLD, HELD = "/tmp/hold-the-schema", "/tmp/held-the-schema"
"""A change of the schema (``newer_release.py``) that finds the first file waits half-way; then it is the second one."""


class State:
    """How far an upgrade from one release to another one is; what is true once, stays true."""

    def __init__(self, prefix: Path, old: str, new: str) -> None:
        self.hub, self.base = prefix / "envs/jupyterhubenv", prefix
        self.old, self.new, self.cache = old, new, prefix / "pkgs"
        self.installer = prefix / ".hubforge"

    def begun(self) -> bool:
        """conda has taken the first package away."""
        return not (self.hub / f"conda-meta/hubforge-{self.old}-0.json").exists()

    def gone(self) -> bool:
        """conda has taken all packages away that change."""
        return self.begun() and not any(self.hub.glob(f"conda-meta/hubctl-{self.old}-*.json"))

    def linked(self, part: float) -> bool:
        """This part of the new hubctl's files is there: they are links to those of the package cache."""
        if not self.gone():
            return False
        for paths in self.cache.glob(f"hubctl-{self.new}-*/info/paths.json"):
            names = [entry["_path"] for entry in json.loads(paths.read_text())["paths"]]
            names = [name for name in names if name.endswith(".py")]
            there = sum(self._is_link(name, paths.parent.parent) for name in names)
            return there >= max(1, part * len(names))
        return False

    def _is_link(self, name: str, folder: Path) -> bool:
        try:
            return (self.hub / name).samefile(folder / name)
        except OSError:
            return False

    def recorded(self, name: str) -> bool:
        """conda has noted the new package."""
        return any(self.hub.glob(f"conda-meta/{name}-{self.new}-*.json"))

    def base_begun(self) -> bool:
        """The same as ``begun``, of base."""
        return not (self.base / f"conda-meta/hubforge-base-{self.old}-0.json").exists()

    def base_done(self) -> bool:
        """base is that of the new release."""
        return (self.base / f"conda-meta/hubforge-base-{self.new}-0.json").exists()

    def installed(self) -> bool:
        """An installer says that the new release is complete."""
        try:
            return bool(json.loads((self.installer / "installed.json").read_text())["version"] == self.new)
        except (OSError, ValueError):
            return False


POINTS: dict[str, Callable[[State], bool]] = {
    "the first package is gone": State.begun,
    "all packages that change are gone": State.gone,
    "the first file is there": lambda state: state.linked(0),
    "a fifth is there": lambda state: state.linked(0.2),
    "two fifths are there": lambda state: state.linked(0.4),
    "three fifths are there": lambda state: state.linked(0.6),
    "four fifths are there": lambda state: state.linked(0.8),
    "all files are there": lambda state: state.linked(1),
    "the first record is there": lambda state: state.recorded("hubctl"),
    "the last record is there": lambda state: state.recorded("hubforge"),
}
"""Of the hub's environment, in their order."""

BASE_POINTS: dict[str, Callable[[State], bool]] = {
    "base has begun": State.base_begun,
    "base is done": State.base_done,
}
"""Those of base: `hubctl upgrade` changes it afterwards, the way back and the installer before."""

LATER_POINTS: dict[str, Callable[[State], bool]] = {
    "the host has a new default": lambda _: Path("/etc/jupyterhub/hub.yaml.new").exists(),
    "half of the new schema is there": lambda _: Path(HELD).exists(),
}
"""Those of `hubctl upgrade` after base: amid the steps of `hubctl setup`, and amid `jupyterhub upgrade-db`."""

INSTALLER_POINTS: dict[str, Callable[[State], bool]] = {
    "the installer has begun": lambda state: (state.installer / "installing").exists(),
    "the set before is kept": lambda state: (state.installer / "before").exists(),
    **BASE_POINTS,
    **{name: POINTS[name] for name in ("the first package is gone", "the first file is there")},
    **{name: POINTS[name] for name in ("three fifths are there", "all files are there", "the last record is there")},
    "the release is complete": State.installed,
}
"""Those of the installer's ``-u``; after the last one it looks at the host."""


def kill_at(state: State, point: str, command: list[str]) -> bool:
    """Runs ``command`` until then; whether it came so far."""
    reached = (POINTS | BASE_POINTS | LATER_POINTS | INSTALLER_POINTS)[point]
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL) as process:
        while not reached(state):
            if process.poll() is not None:
                return False
            time.sleep(0.001)  # what is waited for needs the processor
        os.killpg(process.pid, signal.SIGKILL)
    return True


def strangers(folder: Path) -> list[str]:
    """The files of an environment that no package owns, but for byte code and lists of what conda was to compile.

    Such a list (``.tmp…``, some hundred bytes) is what a kill of conda leaves that conda does not remove.
    """
    owned = {name for record in folder.glob("conda-meta/*.json") for name in json.loads(record.read_text())["files"]}
    others = ("pkgs/", "envs/", ".hubforge/", "conda-meta/", ".tmp")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]
    return sorted({name for name in names if not name.startswith(others) and not name.endswith(".pyc")} - owned)


if __name__ == "__main__":
    if sys.argv[1] == "strangers":
        print("\n".join(strangers(Path(sys.argv[2]))))
        sys.exit()
    prefix, old, new, point, *command = sys.argv[1:]
    sys.exit(0 if kill_at(State(Path(prefix), old, new), point, command) else 1)
