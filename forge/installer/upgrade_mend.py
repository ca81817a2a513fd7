"""Mends what a killed run has left: records that are half-written, files that no package owns."""

import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from link import stem_of  # type: ignore[import-not-found]
from upgrade_state import Before, read_records, readable  # type: ignore[import-not-found]

CONDAS_OWN = ".condatmp"
"""Where conda keeps things in an environment while it changes it."""

TO_BE_REMOVED = ".c~"
"""What conda adds to the name of a file that it is about to remove."""


def mend_records(folder: Path, before: Before, environment: str) -> None:
    """Takes away conda's records that a killed run has left half-written; those of the set before come back."""
    for path in (folder / "conda-meta").glob("prefix_record_*"):  # rattler's, before it has its name
        path.unlink()
    if (folder / CONDAS_OWN).is_dir():
        sweep_scripts(folder)
        if not was_killed(folder):  # before it had begun
            (folder / CONDAS_OWN).rmdir()
    for path in sorted((folder / "conda-meta").glob("*.json")):
        if readable(path):
            continue
        kept = before.folder / environment / path.name
        path.unlink()
        if kept.is_file():
            shutil.copy2(kept, path)


def was_killed(folder: Path) -> bool:
    """Whether conda was killed while it changed an environment: it removes what it keeps there when it is done."""
    leftover = folder / CONDAS_OWN
    return leftover.is_dir() and any(leftover.iterdir())


def sweep(folder: Path, cache: Path, stems: Collection[str], only_links: bool = False) -> None:
    """Removes the files of packages that were linked or unlinked only in part, but for what installed ones own.

    With ``only_links`` only those that are hard links into the cache: nobody else has put them there.
    """
    owned = owned_files(folder)
    folders: set[Path] = set()
    for stem in stems:
        for name, source in paths_in_prefix(folder, cache / stem):
            path = folder / name
            if name not in owned and os.path.lexists(path) and (not only_links or same_file(path, source)):
                path.unlink()
            folders.update(path.parents[: len(Path(name).parents) - 1])
    for parent in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if parent.is_dir() and not parent.is_symlink() and not any(parent.iterdir()):
            parent.rmdir()


def sweep_after_conda(folder: Path, cache: Path, stems: Collection[str]) -> None:
    """Removes what a killed conda has left: links of packages that have no record, and what it was to remove."""
    paths = owned_files(folder).union(name for stem in stems for name, _ in paths_in_prefix(folder, cache / stem))
    for name in paths:
        path = folder / f"{name}{TO_BE_REMOVED}"
        if os.path.lexists(path):
            path.unlink()
    sweep(folder, cache, stems, only_links=True)
    for path in (folder / "conda-meta").glob(f"*{TO_BE_REMOVED}"):
        path.unlink()
    shutil.rmtree(folder / CONDAS_OWN)


def sweep_scripts(folder: Path) -> None:
    """Removes the lists of what conda was to have compiled and the scripts that do it, begun or whole; nothing else."""
    for path in folder.glob(".tmp????????"):
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_text(errors="replace").rstrip()
        if text.endswith(".py") or "-m compileall" in text or not text:
            path.unlink()


def owned_files(folder: Path) -> set[str]:
    """The files of every installed package."""
    return {path.as_posix() for record in read_records(folder) for path in record.files}


def same_file(path: Path, source: Path | None) -> bool:
    """Whether both are one file, with two names."""
    return source is not None and source.exists() and not path.is_symlink() and path.samefile(source)


def paths_in_prefix(folder: Path, package: Path) -> Iterator[tuple[str, Path | None]]:
    """Where the files of an unpacked package go, and what they are there (CEP 20: noarch: python has no own place)."""
    if not (package / "info/paths.json").is_file():
        return
    site_packages = [path.relative_to(folder).as_posix() for path in folder.glob("lib/python3.*/site-packages")]
    for entry in json.loads((package / "info/paths.json").read_text())["paths"]:
        top, _, rest = entry["_path"].partition("/")
        places = [f"{place}/{rest}" for place in site_packages] if top == "site-packages" else [entry["_path"]]
        for name in [f"bin/{rest}"] if top == "python-scripts" else places:
            yield name, package / entry["_path"]
    if (package / "info/link.json").is_file():
        noarch = json.loads((package / "info/link.json").read_text()).get("noarch", {})
        for entry in noarch.get("entry_points", ()):
            yield f"bin/{entry.partition('=')[0].strip()}", None


def unfinished(before: Before, environment: str, stems: Collection[str]) -> set[str]:
    """The packages that an earlier run may have left in part, without those in ``stems``."""
    mentioned = {stem_of(record) for record in before.records(environment)}.union(*before.attempts(environment))
    return mentioned - set(stems)
