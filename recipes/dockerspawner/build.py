"""Install the patched dockerspawner into the host prefix; run by ``build.sh`` with the host prefix's python.

The package is pure Python without a build step: its folder and its metadata are copied, from a wheel or from an sdist,
whichever is locked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from email.parser import HeaderParser
from pathlib import Path

NAME = "dockerspawner"
RECIPE = Path(os.environ["RECIPE_DIR"])
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


def install_dist_info(tree: Path, version: str) -> None:
    """Write ``dockerspawner-VERSION.dist-info``, without its RECORD.

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


def main(upstream: Path, version: str) -> None:
    """Build ``version`` from ``upstream``; the licence goes to ``licences`` in the work folder."""
    tree = unpack(upstream, upstream.parent / "unpacked")
    apply_patches(tree)
    licences = upstream.parent / "licences"
    licences.mkdir()
    (licence,) = [p for p in tree.rglob("LICENSE*") if p.is_file()]
    shutil.copyfile(licence, licences / "LICENSE")
    shutil.copytree(tree / NAME, SITE_PACKAGES / NAME)
    install_dist_info(tree, version)


if __name__ == "__main__":
    main(Path("upstream").resolve(), sys.argv[1])
