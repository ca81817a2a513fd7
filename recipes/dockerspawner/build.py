"""Install the patched dockerspawner into the host prefix; run by ``build.sh`` with the host prefix's python.

The package is pure Python without a build step: its folder and its metadata are copied, from a wheel or from an sdist,
whichever is locked.
"""

from __future__ import annotations

import base64
import compileall
import csv
import hashlib
import io
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from email.parser import HeaderParser
from pathlib import Path

NAME = "dockerspawner"
RECIPE = Path(os.environ["RECIPE_DIR"])
PREFIX = Path(os.environ["PREFIX"])
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def unpack(upstream: Path, into: Path) -> Path:
    """Unpack the one archive in ``upstream``; return the folder that holds the package."""
    (archive,) = upstream.iterdir()
    shutil.unpack_archive(archive, into, "zip" if archive.suffix == ".whl" else None)
    (package,) = (p for p in [into / NAME, *into.glob(f"*/{NAME}")] if (p / "__init__.py").is_file())
    return package.parent


def apply_patches(tree: Path) -> None:
    """Apply ``patches/*.patch`` in the order of their names."""
    for patch in sorted((RECIPE / "patches").glob("*.patch")):
        command = ["patch", "--strip=1", "--fuzz=0", "--batch", "--no-backup-if-mismatch", "--input", str(patch)]
        subprocess.run(command, cwd=tree, check=True)


def install_dist_info(tree: Path, version: str) -> Path:
    """Write ``dockerspawner-VERSION.dist-info`` without its RECORD and return its path.

    Raises:
        SystemExit: the archive is of another version.
    """
    (metadata, *_) = [*tree.glob("*.dist-info/METADATA"), *tree.glob("PKG-INFO")]
    (entry_points,) = [*tree.glob("*.dist-info/entry_points.txt"), *tree.glob("*.egg-info/entry_points.txt")]
    found = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))["Version"]
    if found != version:
        raise SystemExit(f"upstream/ holds {NAME} {found}, expected {version}")
    folder = SITE_PACKAGES / f"{NAME}-{version}.dist-info"
    folder.mkdir()
    shutil.copyfile(metadata, folder / "METADATA")
    shutil.copyfile(entry_points, folder / "entry_points.txt")
    (folder / "INSTALLER").write_text("conda\n", encoding="utf-8")
    (folder / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: hubforge\nRoot-Is-Purelib: true\nTag: py3-none-any\n", encoding="utf-8"
    )
    return folder


def compile_bytecode(package: Path) -> None:
    """Write ``.pyc`` files that name no build path and never go stale by the clock."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    inside = f"/{package.relative_to(PREFIX)}"
    if not compileall.compile_dir(package, ddir=inside, quiet=1, force=True, invalidation_mode=mode):
        raise SystemExit(f"a file of {NAME} does not compile under this Python")


def write_record(package: Path, dist_info: Path) -> None:
    """Write RECORD, with hashes for all files but byte code."""
    rows = []
    for path in (p for folder in (package, dist_info) for p in sorted(folder.rglob("*")) if p.is_file()):
        digest, size = "", ""
        if path.suffix != ".pyc":
            content = path.read_bytes()
            digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            size = str(len(content))
        rows.append([str(path.relative_to(SITE_PACKAGES)), digest, size])
    rows.append([f"{dist_info.name}/RECORD", "", ""])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    (dist_info / "RECORD").write_text(text.getvalue(), encoding="utf-8")


def main(upstream: Path, version: str) -> None:
    """Build ``version`` from ``upstream``; the licence goes to ``licences`` in the work folder."""
    tree = unpack(upstream, upstream.parent / "unpacked")
    apply_patches(tree)
    licences = upstream.parent / "licences"
    licences.mkdir()
    (licence,) = [p for p in tree.rglob("LICENSE*") if p.is_file()]
    shutil.copyfile(licence, licences / "LICENSE")
    package = SITE_PACKAGES / NAME
    shutil.copytree(tree / NAME, package)
    dist_info = install_dist_info(tree, version)
    compile_bytecode(package)
    write_record(package, dist_info)


if __name__ == "__main__":
    main(Path("upstream").resolve(), sys.argv[1])
