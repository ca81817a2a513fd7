"""Ends a command by SIGKILL as soon as an upgrade has come to a point, which is seen by the files that are there.

As a program, for a server's own Python: `python killing.py PREFIX OLD NEW POINT COMMAND…`; exit code 1, and the reason,
when the command was not killed on its way there. Only the standard library can be imported here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

HOLD, HELD = "/tmp/hold-the-schema", "/tmp/held-the-schema"
"""A change of the schema (``newer_release.py``) that finds the first file waits half-way; then it is the second one."""

MANY = "babel"
"""A package of so many files that replacing them takes a second. A kill comes hundredths after what it waits for."""

KINDS = (".py", ".dat")
"""Of these two packages' files; byte code may be written by whoever runs it."""


class Run:
    """A run on the way from one release to another one. It begins now, where an earlier one may have been killed.

    conda and rattler link a package anew that has no record yet. So every run comes by the same parts of the way, when
    only those files count that it has replaced itself.
    """

    def __init__(self, prefix: Path, old: str, new: str) -> None:
        self.base, self.hub, self.installer = prefix, prefix / "envs/jupyterhubenv", prefix / ".hubforge"
        self.old, self.new = old, new
        place = "lib/python3.13/site-packages"
        packages = [*prefix.glob(f"pkgs/hubctl-*/{place}"), *prefix.glob(f"pkgs/{MANY}-*/site-packages")]
        names = {path.relative_to(folder) for folder in packages for path in folder.rglob("*") if path.suffix in KINDS}
        self.paths = [self.hub / place / name for name in sorted(names)][::8]  # the others need no look of their own
        self.found = self._files()

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Those that are there. A file that is linked anew is the same, but of another time (link(2))."""
        found = {}
        for path in self.paths:
            with suppress(FileNotFoundError):
                state = path.stat()
                found[path] = state.st_ino, state.st_ctime_ns
        return found

    def replaced(self, percent: int) -> bool:
        """So much of hubctl and of ``MANY`` is replaced; a file that is taken away is half-way there."""
        now = self._files()
        linked = sum(self.found.get(path) != file for path, file in now.items())
        gone = len(self.found.keys() - now.keys())
        return linked + gone / 2 >= len(self.paths) * percent / 100

    def base_begun(self) -> bool:
        """The first package of base is gone."""
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


PARTS = tuple(f"{percent} % are replaced" for percent in (2, 8, 16, 24, 32, 40, 50, 60, 70, 92))
"""Points on the way of the hub's environment. conda takes hubctl away first, and links it last.

Before the last one there is more room than a kill is ever late: a run that did all would leave the next one nothing.
"""

POINTS: dict[str, Callable[[Run], bool]] = {
    **{point: partial(Run.replaced, percent=int(point.split()[0])) for point in PARTS},
    "base has begun": Run.base_begun,
    "base is done": Run.base_done,
    "the host has a new default": lambda _: Path("/etc/jupyterhub/hub.yaml.new").exists(),
    "half of the new schema is there": lambda _: Path(HELD).exists(),
    "the installer has begun": lambda run: (run.installer / "installing").exists(),
    "the set before is kept": lambda run: (run.installer / "before").exists(),
    "the release is complete": Run.installed,
}
"""All of them, by their names."""


def kill_at(run: Run, point: str, command: list[str]) -> str | None:
    """Runs ``command`` until it comes to the point; gives the reason when it was not killed on its way."""
    reached = POINTS[point]
    if reached(run):
        return "this was so before the command began"
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None and not reached(run):
            time.sleep(0.001)  # what is waited for needs the processor
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    return None if process.returncode == -signal.SIGKILL else "the command ended before"


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
    sys.exit(kill_at(Run(Path(prefix), old, new), point, command))
