"""Compiles the static helper that the installer carries (``helper/``), once for each content of its sources."""

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import distribution, version
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

ZSTD_LICENSE = "LICENSE"
PROGRAM = "unpack"

UNPACK = RECIPES / "source_tools" / "unpack-source"
"""Unpacks the sources and applies Debian's patches, as for the packages."""

FLAGS = (
    *("-target", "x86_64-linux-musl", "-static", "-std=gnu11", "-O2", "-s"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"),
    *("-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-DNDEBUG"),
)
"""static against musl: it runs on any Linux, whatever libraries it has; what nothing calls is left out."""


@dataclass(frozen=True)
class Linked:
    """A library in the helper; ``license`` is its SPDX expression, ``text`` what that says."""

    name: str
    version: str
    license: str
    text: str


@dataclass(frozen=True)
class Helper:
    """The program, and the libraries that are linked into it."""

    program: Path
    linked: tuple[Linked, ...]

    @property
    def notices(self) -> str:
        """The libraries' licences, as whoever hands the program on has to show them."""
        parts = [f"{it.name} {it.version} ({it.license})\n{'-' * 40}\n{it.text.strip()}\n" for it in self.linked]
        return "\n".join(["The program in this file that unpacks its packages holds code of other projects.\n", *parts])


def helper(frozen: bool = False) -> Helper:
    """The helper, from the cache or compiled.

    Args:
        frozen: a zstd that the mirror no longer holds is an error, instead of moving forward.

    Raises:
        ForgeError: zstd's sources can't be had, or the compiler refuses.
    """
    zstd = sources.describe(ZSTD)
    if not (_folder(zstd) / PROGRAM).is_file():
        with tempfile.TemporaryDirectory(prefix="helper-", dir=cache_dir("build")) as work:
            staged = sources.stage(ZSTD, Path(work) / "zstd", frozen)
            source = _unpacked(staged.folder)
            compile_helper(source, Path(work) / PROGRAM)
            zstd = staged  # Debian's pin may have moved
            place(source / ZSTD_LICENSE, _folder(zstd) / ZSTD_LICENSE)
            place(Path(work) / PROGRAM, _folder(zstd) / PROGRAM)
    return Helper(_folder(zstd) / PROGRAM, _linked(zstd))


def _folder(zstd: Described) -> Path:
    """Where the cache has it: the key stands for all that decides its bytes."""
    digest = hashlib.sha256()
    for fact in (tree_digest(SOURCES, UNPACK), zstd.digest, version("ziglang"), *FLAGS, ZSTD_LICENSE):
        digest.update(f"{fact}\n".encode())
    return cache_dir("packages") / digest.hexdigest()


def _linked(zstd: Described) -> tuple[Linked, ...]:
    zig = Path(str(distribution("ziglang").locate_file("ziglang")))
    by_zig = f"as in Zig {version('ziglang')}"
    return (
        Linked("zstd", zstd.version, "BSD-3-Clause OR GPL-2.0-only", (_folder(zstd) / ZSTD_LICENSE).read_text()),
        Linked("musl", by_zig, "MIT", (zig / "lib" / "libc" / "musl" / "COPYRIGHT").read_text()),
        Linked("compiler-rt", by_zig, "MIT", (zig / "LICENSE").read_text()),
    )


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
