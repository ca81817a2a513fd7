#!/usr/bin/env python
"""Gives a Python package that a recipe has copied into the prefix its byte code and its RECORD.

Usage: finish-package NAME VERSION [FILE...]. The folder NAME and NAME-VERSION.dist-info are there already; a FILE is
named from the prefix, belongs to the package, and has no hash in RECORD, since it may name the prefix.
"""

import base64
import compileall
import csv
import hashlib
import os
import py_compile
import sys
import sysconfig
from pathlib import Path

PREFIX = Path(os.environ["PREFIX"])
SITE_PACKAGES = Path(sysconfig.get_path("purelib", vars={"base": str(PREFIX)}))


def compile_bytecode(package: Path) -> None:
    """Writes ``.pyc`` files that name no build path and never go stale by the clock.

    In one process: how a module is marshalled depends on what its process compiled before.

    Raises:
        SystemExit: a file does not compile under this Python.
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    inside = f"/{package.relative_to(PREFIX)}"
    if not compileall.compile_dir(package, ddir=inside, quiet=1, force=True, invalidation_mode=mode):
        raise SystemExit(f"a file of {package.name} does not compile under this Python")


def write_record(package: Path, dist_info: Path, others: list[Path]) -> None:
    """Writes RECORD: hashes for files that stay as they are, none for byte code and ``others``."""
    record = dist_info / "RECORD"
    inside = [path for folder in (package, dist_info) for path in sorted(folder.rglob("*")) if path.is_file()]
    with record.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        for path in [*inside, *others]:
            digest, size = "", ""
            if path in inside and path.suffix != ".pyc":
                content = path.read_bytes()
                hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                digest, size = f"sha256={hashed}", str(len(content))
            rows.writerow([os.path.relpath(path, SITE_PACKAGES), digest, size])
        rows.writerow([os.path.relpath(record, SITE_PACKAGES), "", ""])


def main(name: str, version: str, *files: str) -> None:
    """Finishes the package ``name``."""
    package = SITE_PACKAGES / name
    compile_bytecode(package)
    write_record(package, SITE_PACKAGES / f"{name}-{version}.dist-info", [PREFIX / file for file in files])


if __name__ == "__main__":
    main(*sys.argv[1:])
