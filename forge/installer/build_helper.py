"""Compiles the static helper that the installer carries (``helper/``), once for each content of its sources."""

import hashlib
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE, STDOUT

from forge import processes, sources
from forge.errors import ForgeError
from forge.files import place, tree_digest
from forge.paths import RECIPES, cache_dir
from forge.sources import Described, Origin

SOURCES = Path(__file__).parent / "helper"

ZSTD = Origin("debian", "libzstd")
"""The decoder is compiled from the same locked sources as the package zstd."""

UNPACK = RECIPES / "source_tools" / "unpack-source"
"""Unpacks the sources and applies Debian's patches, as for the packages."""

FLAGS = (
    *("-target", "x86_64-linux-musl", "-static", "-std=gnu11", "-O2", "-s"),
    *("-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-DNDEBUG"),
)
"""static against musl: it runs on any Linux, whatever libraries it has."""


def helper(frozen: bool = False) -> Path:
    """The helper's program, from the cache or compiled.

    Args:
        frozen: a zstd that the mirror no longer holds is an error, instead of moving forward.

    Raises:
        ForgeError: zstd's sources can't be had, or the compiler refuses.
    """
    program = _program(sources.describe(ZSTD))
    if not program.is_file():
        with tempfile.TemporaryDirectory(prefix="helper-", dir=cache_dir("build")) as work:
            staged = sources.stage(ZSTD, Path(work) / "zstd", frozen)
            compiled = Path(work) / "unpack"
            compile_helper(_unpacked(staged.folder), compiled)
            program = _program(staged)  # Debian's pin may have moved
            place(compiled, program)
    return program


def _program(zstd: Described) -> Path:
    """Where the cache has it: the key stands for all that decides its bytes."""
    digest = hashlib.sha256()
    for fact in (tree_digest(SOURCES, UNPACK), zstd.digest, version("ziglang"), *FLAGS):
        digest.update(f"{fact}\n".encode())
    return cache_dir("packages") / digest.hexdigest() / "unpack"


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


def _unpacked(staged: Path) -> Path:
    """The patched source tree in the folder ``staged``."""
    done = processes.run(["bash", UNPACK], cwd=staged, stdout=PIPE, stderr=STDOUT)
    if done.returncode != 0:
        raise ForgeError(f"The sources of zstd can't be unpacked and patched:\n{done.stdout.strip()}")
    return staged / "source"
