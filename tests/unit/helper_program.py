"""The installer's static helper, and packages and environments for it that hold whatever a test wants."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from forge.installer import build_helper

DAMAGED, FAILED, USAGE = 3, 4, 2


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("helper") / "unpack"
    program.write_bytes(build_helper.helper().program.read_bytes())
    program.chmod(0o755)
    return program


def archive(fill: Callable[[tarfile.TarFile], None], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        fill(tar)
    return stream.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    """Adds an entry whose fields are set as they come, whatever a sane archive would hold."""
    item = tarfile.TarInfo(name)
    item.size = len(data)
    for field, value in fields.items():
        setattr(item, field, value)
    tar.addfile(item, io.BytesIO(data))


INFO = archive(lambda tar: add(tar, "info/index.json", b"{}"))


@dataclass(frozen=True)
class Carrier:
    """A file with one package in it, and the list that describes it."""

    file: Path
    list: Path
    base: int

    def run(self, helper: Path, command: str, *directory: Path) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in (helper, command, self.file, self.list, self.base, *directory, "title")]
        return subprocess.run(words, capture_output=True, text=True)


def carrier(
    folder: Path, *archives: bytes, name: str = "evil-1-0", subdir: str = "noarch", compressed: bool = False
) -> Carrier:
    """One package; its archives are compressed here unless they are already."""
    blobs = [data if compressed else zstandard.ZstdCompressor().compress(data) for data in archives]
    file, listing, base = folder / "file", folder / "list", 7
    whole = b"".join(blobs)
    file.write_bytes(b"header\n" + whole)
    digest = hashlib.sha256(whole).hexdigest()
    spans = f"0 {len(blobs[0])} {len(blobs[0])} {len(blobs[1])}"
    listing.write_text(f"{digest} 0 {len(whole)} {spans} {subdir} {name} base\n")
    return Carrier(file, listing, base)


def unpack(helper: Path, folder: Path, payload: bytes) -> subprocess.CompletedProcess[str]:
    """Unpacks a package with this archive to ``folder``/out/pkgs."""
    target = folder / "out/pkgs"
    target.mkdir(parents=True, exist_ok=True)
    return carrier(folder, payload, INFO).run(helper, "unpack", target)


def lay(helper: Path, folder: Path, fill: Callable[[tarfile.TarFile], None]) -> subprocess.CompletedProcess[str]:
    """Lays an environment's archive down in ``folder``/prefix, beside a package cache with one package in it."""
    files = {"one-1-0/lib/file": "content\n", "one-1-0/info/paths.json": PATHS, "one-1-0/script": "#!/placehold/sh\n"}
    for name, text in files.items():
        path = folder / "pkgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "prefix").mkdir()
    data = zstandard.ZstdCompressor().compress(archive(fill, tarfile.GNU_FORMAT))
    (folder / "file").write_bytes(b"header\n" + data)
    words = ("link", folder / "file", folder / "pkgs", "sh it -b", "title", 7, len(data), folder / "prefix")
    return subprocess.run([helper, *map(str, words)], capture_output=True, text=True)


PATHS = json.dumps({"paths": [{"sha256": "a" * 64}, {"sha256": "b" * 64}]})
PATCHED = b"P"
