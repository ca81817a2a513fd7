"""Compiles the static helper that the installer carries (``helper/``), once for each content of its sources."""

import hashlib
import os
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE

from forge import processes, sources
from forge.errors import ForgeError
from forge.files import place, tree_digest
from forge.paths import cache_dir
from forge.sources import Origin

SOURCES = Path(__file__).parent / "helper"

ZSTD = Origin("debian", "libzstd")
"""The decoder is compiled from the same locked sources as the package zstd."""

FLAGS = (
    *("-target", "x86_64-linux-musl", "-static", "-std=gnu11", "-O2", "-s"),
    *("-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-DNDEBUG"),
)
"""static against musl: it runs on any Linux, whatever libraries it has."""


def helper() -> Path:
    """The helper's program, from the cache or compiled.

    Raises:
        ForgeError: zstd's sources can't be had, or the compiler refuses.
    """
    digest = hashlib.sha256()
    for fact in (tree_digest(SOURCES), sources.describe(ZSTD).digest, version("ziglang"), *FLAGS):
        digest.update(f"{fact}\n".encode())
    program = cache_dir("packages") / digest.hexdigest() / "unpack"
    if not program.is_file():
        with tempfile.TemporaryDirectory(prefix="helper-", dir=cache_dir("build")) as work:
            compiled = Path(work) / "unpack"
            compile_helper(_unpacked_zstd(Path(work)), compiled)
            place(compiled, program)
    return program


def compile_helper(zstd: Path, target: Path) -> None:
    """Compiles ``helper/`` with the decoder in the source tree ``zstd``.

    Raises:
        ForgeError: the compiler refuses.
    """
    library = zstd / "lib"
    decoder = sorted(
        path.relative_to(zstd)
        for folder in ("common", "decompress")
        for path in (library / folder).iterdir()
        if path.suffix in (".c", ".S")
    )
    own = sorted(SOURCES.glob("*.c"))
    # Relative names and no debugging data: the same bytes in any folder.
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-Ilib", *map(str, own), *map(str, decoder)]
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(cache_dir("build") / "zig")}
    result = processes.run([*command, "-o", target.absolute()], cwd=zstd, env=environment, stderr=PIPE)
    if result.returncode != 0:
        raise ForgeError(f"The installer's helper does not compile:\n{result.stderr.strip()}")


def _unpacked_zstd(work: Path) -> Path:
    staged = sources.stage(ZSTD, work / "zstd")
    archive = next((staged.folder / "upstream").glob("*.tar.*"))
    with tarfile.open(archive) as tar:
        tar.extractall(work / "source")  # of a known hash; Debian 12's Python knows no `filter` yet
    source = next((work / "source").iterdir())
    patches = staged.folder / "debian-patches"
    for name in (patches / "series").read_text().split():
        result = processes.run(["patch", "-p1", "-s", "-i", patches / name], cwd=source, stdout=PIPE)
        if result.returncode != 0:
            raise ForgeError(f"{name} does not apply to zstd's sources:\n{result.stdout.strip()}")
    return source
