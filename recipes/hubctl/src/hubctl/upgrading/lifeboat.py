"""A copy of base's Python and conda, and of this program: neither an upgrade nor a kill amid one takes them away."""

import json
import os
import shutil
from pathlib import Path

SCRIPT = """\
#!/bin/sh
# Goes on with an upgrade that was interrupted; with --back, goes back.
exec "{folder}/conda/bin/python" -I -B "{folder}/upgrading" "$@"
"""


def launch(base: Path, folder: Path) -> None:
    """Makes the copy in ``folder``, which is new: of the files that packages have put into base, as hard links.

    conda replaces files, and never writes into one that is there, so the links keep what they hold.
    """
    copy = folder / "conda"
    (copy / "conda-meta").mkdir(parents=True)
    for record in sorted((base / "conda-meta").glob("*.json")):
        for name in json.loads(record.read_text())["files"]:
            _link(base / name, copy / name)
    shutil.copytree(Path(__file__).parent, folder / "upgrading", ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "finish"
    script.write_text(SCRIPT.format(folder=folder))
    script.chmod(0o755)


def _link(source: Path, target: Path) -> None:
    if not os.path.lexists(source) or os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target, follow_symlinks=False)
