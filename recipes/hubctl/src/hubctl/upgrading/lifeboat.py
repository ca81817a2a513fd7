"""A copy of base's Python and conda, and of this program: neither a new release nor a kill takes these away."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .prefix import FailedError, half_records

SCRIPT = """\
#!/bin/sh
# Goes on with an upgrade, or a rollback, that was interrupted; with --back, goes back.
exec "{folder}/conda/bin/python" -I -B "{folder}/upgrading" "$@"
"""


def launch(base: Path, folder: Path) -> None:
    """Makes the copy in ``folder``, which is new: of the files that packages have put into base, as hard links.

    conda replaces files, and never writes into one that is there, so the links keep what they hold.

    Raises:
        FailedError: a record is half-written, and nothing else says what its package has put into base.
    """
    copy = folder / "conda"
    (copy / "conda-meta").mkdir(parents=True)
    half = half_records(base)
    for record in sorted((base / "conda-meta").glob("*.json")):
        names = _unpacked_files(base, record) if record in half else json.loads(record.read_text())["files"]
        for name in names:
            _link(base / name, copy / name)
    shutil.copytree(Path(__file__).parent, folder / "upgrading", ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "finish"
    script.write_text(SCRIPT.format(folder=folder))
    script.chmod(0o755)


def _unpacked_files(base: Path, record: Path) -> Iterator[str]:
    """Where the files of a package are in base, by what the cache has of it; of CEP 20's ``noarch: python``, too."""
    paths = base / "pkgs" / record.stem / "info/paths.json"
    try:
        names = [entry["_path"] for entry in json.loads(paths.read_text())["paths"]]
    except (OSError, ValueError, KeyError, TypeError):
        what = f"{record} is half-written, as conda leaves it when it is killed, and {paths} does not say what it held"
        raise FailedError(f"{what}; `bash hub-installer.sh -f` makes the installation whole") from None
    for name in names:
        top, _, rest = name.partition("/")
        if top == "site-packages":
            yield from (f"{place.relative_to(base)}/{rest}" for place in base.glob("lib/python3.*/site-packages"))
        else:
            yield f"bin/{rest}" if top == "python-scripts" else name


def _link(source: Path, target: Path) -> None:
    if not os.path.lexists(source) or os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target, follow_symlinks=False)
