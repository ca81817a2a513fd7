"""``index_channel.py FOLDER``: makes the index of a channel's folder anew, of every package that lies in it.

A program of its own that needs nothing but py-rattler: the build runs it with its Python, ``hubctl`` with base's, and
the installer with the one that it carries. It ends at once: py-rattler's threads sometimes crash an interpreter that
winds down.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from rattler.index import index_fs  # type: ignore[import-not-found]  # the hub's environment has none

SUBDIRS = ("linux-64", "noarch")


def main(folder: Path) -> None:
    """Writes ``repodata.json`` and ``repodata.json.zst`` of both subdirs, readable by everybody (CEP 16, CEP 36)."""
    for subdir in SUBDIRS:
        (folder / subdir).mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(index_fs(folder, write_zst=True, write_shards=False, force=True))
    finally:  # where the disk is full, half an index lies there
        shutil.rmtree(folder / ".tmp", ignore_errors=True)
    for path in (folder / subdir / name for subdir in SUBDIRS for name in ("repodata.json", "repodata.json.zst")):
        path.chmod(0o644)


if __name__ == "__main__":
    os.umask(0o022)
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
