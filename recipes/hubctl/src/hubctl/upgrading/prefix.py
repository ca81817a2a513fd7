"""One environment, changed by the copy of conda."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .surroundings import surroundings


class FailedError(Exception):
    """A step did not succeed. The message is for people."""


TO_BE_REMOVED = ".c~"
"""What conda adds to the name of a file before it removes it (its CONDA_TEMP_EXTENSION)."""


@dataclass(frozen=True)
class Prefix:
    """An environment of the installation, and the conda that works on it.

    Attributes:
        folder: of the environment.
        base: of the installation.
        program: the beginning of conda's command line.
        held: descriptors that conda has to inherit.
    """

    folder: Path
    base: Path
    program: tuple[str, ...]
    held: tuple[int, ...] = ()

    def bring(self, spec: str) -> None:
        """``conda install SPEC``, of a metapackage: ``hubforge==2026.12``.

        Raises:
            FailedError: conda has refused, or failed.
        """
        name, _, version = spec.partition("==")
        forget(self.folder, half_records(self.folder), name)
        reason = self._refusal("install", spec)
        if not reason and not any(package.startswith(f"{name}-{version}-") for package in linked(self.folder)):
            reason = "it has left it out, without a word"
        if reason:
            raise FailedError(f"conda did not bring {spec} into {self.folder}: {reason}")
        sweep(self.folder)
        note_wanted(self.program[0], self.folder, spec.replace("==", " "), self._surroundings(), self.held)

    def go_back(self, revision: int, packages: list[str], wanted: str) -> None:
        """``conda install --revision``, unless all is as it was; notes what was ``wanted`` then (see ``note_wanted``).

        Raises:
            FailedError: conda has refused, or failed.
        """
        forget(self.folder, half_records(self.folder))
        if set(linked(self.folder)) != set(packages) or self._was_killed():
            back = ("install", "--revision", str(revision))
            # The packages lie in the cache; where somebody has cleared it, the channel may have them.
            if self._refusal(*back, "--offline") and (reason := self._refusal(*back)):
                raise FailedError(f"conda did not bring {self.folder} back to its revision {revision}: {reason}")
        sweep(self.folder)
        note_wanted(self.program[0], self.folder, wanted, self._surroundings(), self.held)

    def _was_killed(self) -> bool:
        """Whether conda was ended while it changed this: it removes what it keeps there when it is done."""
        leftover = self.folder / ".condatmp"
        return leftover.is_dir() and any(leftover.iterdir())

    def _refusal(self, verb: str, *arguments: str) -> str:
        """Runs conda; gives its reason when it did not do what it was told, else nothing."""
        command = [*self.program, "-m", "conda", verb, "--yes", "--json", "--prefix", str(self.folder), *arguments]
        done = subprocess.run(command, env=self._surroundings(), pass_fds=self.held, capture_output=True, text=True)
        if done.returncode == 0:
            return ""
        try:
            answer = json.loads(done.stdout)
            return str(answer.get("message") or answer["error"]).strip()
        except (ValueError, KeyError, AttributeError):
            return (done.stderr or done.stdout).strip()[-1000:] or f"it ended with exit code {done.returncode}"

    def _surroundings(self) -> dict[str, str]:
        """A copy of conda works with the configuration and the package cache of the one that it stands in for."""
        return {"CONDA_PKGS_DIRS": str(self.base / "pkgs"), **surroundings(), "CONDA_ROOT": str(self.base)}


def linked(folder: Path) -> list[str]:
    """``name-version-build`` of each package that is there."""
    return sorted(path.stem for path in (folder / "conda-meta").glob("*.json"))


def half_records(folder: Path) -> list[Path]:
    """A killed conda leaves the record half-written that it was at; with it, conda would not begin."""
    return [path for path in sorted((folder / "conda-meta").glob("*.json")) if not _is_json(path)]


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def forget(folder: Path, records: Iterable[Path], metapackage: str = "") -> None:
    """Has conda link the packages of these records again, where they are there and wanted.

    The metapackage that is to be brought goes before them: conda would see that the one that is there lacks a package,
    keep that one, and let go of the version that it is asked for.
    """
    for record in records:
        if record.exists():
            for path in folder.glob(f"conda-meta/{metapackage}-[0-9]*.json") if metapackage else ():
                path.unlink()
            record.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what killed runs of conda have left in an environment: its folder, files that it was about to remove,
    lists of what was to be compiled, and scripts that do it.
    """
    shutil.rmtree(folder / ".condatmp", ignore_errors=True)
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in ("pkgs", "envs")]
        for name in files:
            if name.endswith(TO_BE_REMOVED):
                Path(place, name).unlink()
    for path in folder.glob(".tmp????????"):
        if not path.is_file():
            continue
        text = path.read_text(errors="replace").rstrip()
        if text.endswith(".py") or "-m compileall" in text or not text:
            path.unlink()


NOTE = """\
import sys
from conda.base.context import reset_context
from conda.core.prefix_data import PrefixData
from conda.history import History
reset_context()  # the configuration names the channels of packages
folder, name, *version = sys.argv[1:]
wanted = {"update_specs": [" ".join([name, *version])]} if version else {"remove_specs": [name]}
history = History(folder)
if set(history.get_state()) != {record.dist_str() for record in PrefixData(folder).iter_records()}:
    history.update()  # a conda that was killed has not noted what it had done by then
history.write_specs(**wanted)
"""
"""For a Python with conda: notes in conda's history what is there, and what was asked for."""


def note_wanted(python: str, folder: Path, wanted: str, surroundings: dict[str, str], held: tuple[int, ...]) -> None:
    """Notes which release is wanted: conda does not, and would bring the newer one back with the next package.

    Args:
        python: one that has conda.
        wanted: name and version; the name alone when the package is not asked for any more.
        held: descriptors to inherit.

    Raises:
        FailedError: it can't be noted.
    """
    command = [python, "-I", "-B", "-c", NOTE, str(folder), *wanted.split()]
    if subprocess.run(command, env=surroundings, pass_fds=held).returncode:
        raise FailedError(f"conda's history of {folder} can't be written")
