"""Channels: folders that any conda client can install from, over ``file://`` or from a static web server.

There are two kinds. One holds exactly what the checkout makes now, and is made again with every build (``publish``).
The other is what servers install from: it only ever grows (``add``).
"""

import functools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from subprocess import PIPE

import zstandard

from forge import condapkg, processes
from forge.errors import ForgeError
from forge.files import place, replacing, sha256_of, write_text
from forge.paths import RECIPES
from forge.target import SUBDIRS

_INDEXED = ".indexed.json"
"""What the index was made of, per subdir; not part of the channel for its clients."""

_INDEXER = RECIPES / "hubctl" / "src" / "hubctl" / "index_channel.py"
"""The program that makes an index, here as on a server."""

_PUBLISHED = ("*.conda", "*.tar.bz2")


def publish(packages: Iterable[Path], channel: Path) -> None:
    """Makes ``channel`` hold exactly ``packages``, with ``repodata.json`` and ``repodata.json.zst`` in both subdirs.

    Packages come as hard links where the file system allows it. What is right already is left alone, and the index is
    made again only when a package came, went or changed; the same packages give the same index.

    Args:
        packages: ``.conda`` files; each goes to the subdir that its ``info/index.json`` names.
        channel: the channel's folder, made when missing.

    Raises:
        ForgeError: two packages with one file name, or the index cannot be made.
    """
    wanted = _by_place(packages)
    state = {}
    for target, source in wanted.items():
        path = channel / target
        if not _same(source, path):
            place(source, path)
        state[target] = _stamp(path)
    for subdir in SUBDIRS:
        (channel / subdir).mkdir(parents=True, exist_ok=True)
        for path in (channel / subdir).glob("*.conda"):
            if f"{subdir}/{path.name}" not in wanted:
                path.unlink()
    _index(channel, json.dumps(state, indent=1, sort_keys=True))


def add(packages: Iterable[Path], channel: Path, texts: Mapping[str, str]) -> None:
    """Adds ``packages`` to a channel that is in use, and makes its index anew: of what was there and of what came.

    What was published once keeps its bytes and its place in the index, so that old locks stay installable.

    Args:
        packages: ``.conda`` files; each goes to the subdir that its ``info/index.json`` names.
        channel: the channel's folder, made when missing.
        texts: further files by their place in the channel; these are not rewritten either.

    Raises:
        ForgeError: something is published under one of the names already, with other bytes; nothing was changed then.
    """
    wanted = _by_place(packages)
    taken = [
        f"{target}: sha256 {sha256_of(channel / target)} is published, {sha256_of(source)} was built"
        for target, source in wanted.items()
        if (channel / target).exists() and not _same(source, channel / target)
    ]
    taken += [
        f"{target}: another one is published"
        for target, text in texts.items()
        if (channel / target).exists() and (channel / target).read_text() != text
    ]
    if taken:
        raise ForgeError(
            "What is published is never rewritten, and this would be:\n" + "\n".join(f"  {line}" for line in taken),
            "A release that differs gets a number of its own: make release VERSION=YYYY.MM. "
            f"Where nobody has installed from {channel} yet, those files can be removed from it instead.",
        )
    for target, source in wanted.items():
        if not (channel / target).exists():
            place(source, channel / target)
    for target, text in texts.items():
        write_text(channel / target, text)
    there = [path for subdir in SUBDIRS for pattern in _PUBLISHED for path in (channel / subdir).glob(pattern)]
    state = {path.relative_to(channel).as_posix(): _stamp(path) for path in there}
    _index(channel, json.dumps(state, indent=1, sort_keys=True))


def _by_place(packages: Iterable[Path]) -> dict[str, Path]:
    """The files by their place in the channel."""
    wanted: dict[str, Path] = {}
    for package in packages:
        target = f"{_subdir(package, package.stat().st_mtime_ns)}/{package.name}"
        known = wanted.setdefault(target, package)
        if known != package and sha256_of(known) != sha256_of(package):
            raise ForgeError(
                f"Two packages would be {target}: sha256 {sha256_of(known)} and {sha256_of(package)}.",
                "Raise the build number of one of them.",
            )
    return wanted


@functools.cache
def _subdir(package: Path, changed: int) -> str:
    """Where the package belongs; read once for each state of the file, as one build publishes it several times."""
    return condapkg.read(package).index.subdir


def _same(source: Path, path: Path) -> bool:
    if not path.is_file():
        return False
    return path.samefile(source) or sha256_of(path) == sha256_of(source)


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _index(channel: Path, state: str) -> None:
    record = channel / _INDEXED
    made = [channel / subdir / name for subdir in SUBDIRS for name in ("repodata.json", "repodata.json.zst")]
    if record.is_file() and record.read_text() == state and all(path.is_file() for path in made):
        return
    record.unlink(missing_ok=True)
    command = [sys.executable, str(_INDEXER), str(channel)]
    done = processes.run(command, stdout=PIPE, stderr=PIPE)
    if done.returncode != 0:
        raise ForgeError(
            f"{channel} could not be indexed: {done.stderr.strip()[-2000:]}", "Look at the packages in it."
        )
    for subdir in SUBDIRS:
        _without_clock(channel / subdir / "repodata.json")
    write_text(record, state)


def _without_clock(repodata: Path) -> None:
    """The indexer notes when it saw a package; without that, the same packages have the same index."""
    document = json.loads(repodata.read_text())
    for packages in ("packages", "packages.conda"):
        for entry in document[packages].values():
            entry.pop("indexed_timestamp", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    write_text(repodata, text)
    with replacing(repodata.with_name("repodata.json.zst")) as temporary:
        temporary.write_bytes(zstandard.ZstdCompressor(level=condapkg.ZSTD_LEVEL).compress(text.encode()))
