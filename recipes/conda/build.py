"""Install the restored conda into the host prefix; run by ``build.sh`` with the host prefix's python.

conda's own ``conda init --install`` writes the programs and shell files, so that what this package ships is what
``conda init`` on a server would write: nothing is "modified" there, and a user without root can run it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from email.parser import HeaderParser
from pathlib import Path

import restore

RECIPE = Path(os.environ["RECIPE_DIR"])
PREFIX = Path(os.environ["PREFIX"])
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))

#: What `conda init --install` writes; all of them name the prefix.
WRITTEN_BY_INIT = (
    "bin/activate",
    "bin/conda",
    "bin/deactivate",
    "condabin/conda",
    "etc/fish/conf.d/conda.fish",
    "etc/profile.d/conda.sh",
)


def apply_patches(tree: Path) -> None:
    """Apply ``patches/*.patch`` in the order of their names to the folder above the package ``tree``."""
    for patch in sorted((RECIPE / "patches").glob("*.patch")):
        command = ["patch", "--strip=1", "--fuzz=0", "--batch", "--no-backup-if-mismatch", "--input", str(patch)]
        subprocess.run(command, cwd=tree.parent, check=True)


def refuse_public_hosts(files: list[Path]) -> None:
    """Raise ``RestoreError`` when one of ``files`` names the host of a public channel."""
    for path in files:
        if found := restore.public_hosts(path.read_text(encoding="utf-8")):
            raise restore.RestoreError(f"{path}: names {', '.join(sorted(set(found)))}")


def collect_licences(tree: Path, wheel: Path, into: Path) -> None:
    """Put conda's licence and those of what conda itself vendors into the folder ``into``.

    conda-lock's vendoring also left copies of the latter at the package's top, under conda's name: those go.
    """
    into.mkdir()
    (into / "LICENSE").write_text(restore.licence(wheel), encoding="utf-8")
    for path in list(tree.glob("*LICENSE*")):
        path.unlink()
    for path in sorted(tree.rglob("*LICENSE*")):
        shutil.copyfile(path, into / "-".join(path.relative_to(tree).parts))


def install_shell_files(package: Path) -> None:
    """Put the shell functions where conda looks for its templates."""
    shutil.copytree(RECIPE / "shell", package / "shell")


def install_dist_info(version: str, licences: Path) -> None:
    """Write ``conda-VERSION.dist-info``, without its RECORD."""
    metadata = HeaderParser().parsestr((RECIPE / "dist-info" / "METADATA").read_text(encoding="utf-8"))
    if metadata["Version"] != version:
        raise restore.RestoreError(f"dist-info/METADATA says {metadata['Version']}, the vendored conda is {version}")
    folder = SITE_PACKAGES / f"conda-{version}.dist-info"
    shutil.copytree(RECIPE / "dist-info", folder)
    (folder / "INSTALLER").write_text("conda\n", encoding="utf-8")
    shutil.copyfile(licences / "LICENSE", folder / "LICENSE")


def run_init() -> None:
    """Let conda write its programs, and give them the python of their prefix as interpreter.

    The shebang of a build prefix is longer than the kernel takes, so conda falls back to ``env python`` there.
    """
    subprocess.run([sys.executable, "-m", "conda", "init", "--install"], check=True)
    for program in (PREFIX / "bin/conda", PREFIX / "condabin/conda"):
        lines = program.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[0] = f"#!{PREFIX}/bin/python\n"
        program.write_text("".join(lines), encoding="utf-8")
        program.chmod(0o755)


def main(upstream: Path, version: str) -> None:
    """Build conda ``version`` from the one wheel in ``upstream``; licences go to ``licences`` in the work folder."""
    (wheel,) = upstream.glob("conda_lock-*.whl")
    tree = upstream.parent / "restored" / "conda"
    restore.unpack(wheel, tree)
    restore.restore(tree)
    if (found := restore.version(tree)) != version:
        raise restore.RestoreError(f"{wheel.name} carries conda {found}; this recipe is for {version}")
    licences = upstream.parent / "licences"
    collect_licences(tree, wheel, licences)
    apply_patches(tree)
    package = SITE_PACKAGES / "conda"
    shutil.copytree(tree, package)
    install_shell_files(package)
    install_dist_info(version, licences)
    run_init()
    refuse_public_hosts([*(p for p in package.rglob("*") if p.is_file()), *(PREFIX / n for n in WRITTEN_BY_INIT)])
    subprocess.run(["finish-package", "conda", version, *WRITTEN_BY_INIT], check=True)


if __name__ == "__main__":
    main(Path("upstream").resolve(), sys.argv[1])
