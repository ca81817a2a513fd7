"""Debian source packages: locked in ``lockfiles/debian.json``, fetched by the machine's own apt.

The hashes in the lock come from source indices that apt verified by signature, so a file that matches its hash needs no
further proof. Debian's pool drops the files of superseded versions: what that means for a pin is in ``fetch``.
"""

import functools
import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from forge.errors import ForgeError
from forge.files import place, write_text
from forge.paths import LOCKFILES
from forge.progress import Step, say
from forge.sources import patches
from forge.sources.apt import Apt
from forge.sources.cache import GoneError, cached, keep
from forge.sources.moves import Move, moves

LOCK = LOCKFILES / "debian.json"
RELEASE = "trixie"


@dataclass(frozen=True)
class Source:
    """A source package that recipes are built from.

    Args:
        series: the upstream versions that a pin may move within; empty where the version is a date.
        upstream_only: Debian's part of the source package is not needed. Only for a package whose Debian patches hold
            no security fix, and whose Debian tarball mirrors are known to have lost.
        also: Debian's patches that fix a CVE without naming it, each with that CVE (see forge.sources.patches).
        fixed_upstream: CVEs that Debian's changelog names and no patch fixes, each with the upstream version that has
            the fix, as the changelog says it there.
    """

    name: str
    series: str = ""
    upstream_only: bool = False
    also: Mapping[str, str] = field(default_factory=dict)
    fixed_upstream: Mapping[str, str] = field(default_factory=dict)


SOURCES = (
    Source("bzip2", "1.0", fixed_upstream={"CVE-2016-3189": "1.0.8"}),  # "patches now included in upstream"
    Source("ca-certificates"),
    Source(
        "krb5",
        "1.21",
        fixed_upstream=dict.fromkeys(("CVE-2024-26462", "CVE-2024-37370", "CVE-2024-37371"), "1.21.3"),
    ),
    Source("libffi", "3.4"),
    Source("libzstd", "1.5"),
    Source("ncurses", "6.5"),
    Source("openssl", "3.5", also={"Don-t-store-ACK-only-frames-in-TX-history-for-QUIC.patch": "CVE-2026-63075"}),
    Source("python3.13", "3.13"),
    # Debian's patches are upstream's numbered bug fixes and the layout of its packages.
    Source("readline", "8.2", upstream_only=True),
    Source("sqlite3", "3.46"),
    Source("tzdata"),
    Source(
        "util-linux",
        "2.41",
        also={"upstream/loopdev-use-openat2-RESOLVE_NO_SYMLINKS-for-backing-file.patch": "CVE-2026-27456"},
        fixed_upstream=dict.fromkeys(("CVE-2026-53612", "CVE-2026-53613", "CVE-2026-53614"), "2.41.5"),
    ),
    Source(
        "xz-utils",
        "5.8",
        also={"0001-liblzma-Fix-a-buffer-overflow-in-lzma_index_append.patch": "CVE-2026-34743"},
        fixed_upstream={"CVE-2025-31115": "5.8.1"},
    ),
    Source("zlib", "1.3"),
)


@dataclass(frozen=True)
class PoolFile:
    """A file of a source package: its path below the mirror, its size in bytes, its hash."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Pin:
    """A source package at one version, and the security patches of Debian's that are applied to it, in order."""

    name: str
    version: str
    files: tuple[PoolFile, ...]
    patches: tuple[str, ...] = ()
    unaccounted: tuple[str, ...] = ()
    """CVEs of Debian's changelog for this upstream version, fixed by no patch: see ``Source.fixed_upstream``."""

    @property
    def upstream(self) -> str:
        """The upstream version, as the conda package has it."""
        return upstream_version(self.version)

    @property
    def digest(self) -> str:
        """sha256 over everything that decides what is staged."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def tarball(self) -> PoolFile:
        """The upstream sources."""
        return next(file for file in self.files if ".debian.tar." not in file.name)

    @property
    def debian_tarball(self) -> PoolFile | None:
        """Debian's part, with its patches; a native package has none."""
        return next((file for file in self.files if ".debian.tar." in file.name), None)


def upstream_version(version: str) -> str:
    """The upstream part of a Debian version (deb-version(7)), without the marks of a repacked tarball.

    >>> upstream_version("1:1.3.dfsg+really1.3.1-1+deb13u1")
    '1.3.1'
    """
    upstream = version.partition(":")[2] or version
    upstream = upstream.rpartition("-")[0] or upstream
    upstream = upstream.rpartition("+really")[2]
    upstream = re.sub(r"[.+~](dfsg|ds|deb)\d*(u\d+)?(\.\d+)?$", "", upstream)
    return upstream.replace("+", ".").replace("~", "")


def read_lock() -> dict[str, Pin]:
    """Every pin of the lock, by the source package's name."""
    if not LOCK.is_file():
        return {}
    packages = json.loads(LOCK.read_text())["packages"]
    return {
        name: Pin(
            name,
            entry["version"],
            tuple(PoolFile(**file) for file in entry["files"]),
            tuple(entry["patches"]),
            tuple(entry["unaccounted"]),
        )
        for name, entry in packages.items()
    }


def patches_of(lock: str) -> dict[str, list[str]]:
    """The names of Debian's patches that a lock's text has for each source package."""
    return {name: entry["patches"] for name, entry in json.loads(lock)["packages"].items()}


def pin_of(name: str) -> Pin:
    """The pin of one source package.

    Raises:
        ForgeError: the lock does not know it.
    """
    pin = read_lock().get(name)
    if pin is None:
        raise ForgeError(
            f"{name} is not in {LOCK.name}", "Add it to SOURCES in forge/sources/debian.py, then 'make lock'."
        )
    return pin


def fetch(name: str, frozen: bool = False) -> tuple[Pin, dict[str, Path]]:
    """The pinned files, by their names, from the cache or the mirror.

    A pin whose files the mirror no longer holds falls forward to the newest version of its upstream series, which is
    said and recorded in the lock.

    Raises:
        ForgeError: the files are gone and ``frozen`` is set, or there is nothing newer.
        HashMismatchError: a file is not the one that was locked.
    """
    pin = pin_of(name)
    files = [cached(file.sha256, file.name) for file in pin.files]
    if all(files):
        return pin, {path.name: path for path in files if path}
    apt = Apt.of_machine(RELEASE)
    try:
        return pin, _download(apt, pin)
    except GoneError as gone:
        if frozen:
            what = f"{name} {pin.version} is pinned and frozen, and {gone.what}"
            raise ForgeError(what, f"Run 'make lock NAME={name}' to move to a version that is there.") from gone
        apt.update()
        newer = _newest(apt, source_of(name), above=pin.version)
        if newer is None:
            raise ForgeError(f"{gone.what}, and there is no newer {name} {source_of(name).series}".strip()) from gone
        say(f"{gone.what}: {name} moves from {pin.version} to {newer.version}; {LOCK.name} is changed")
        record([newer])
        return newer, _download(apt, newer)


def stage(name: str, into: Path, frozen: bool = False) -> Pin:
    """Lays the fetched source package out below the empty or missing folder ``into``.

    The upstream tarball is ``upstream/NAME.tar.*``; Debian's security patches lie in ``debian-patches/`` with a
    ``series``, which is empty where there are none.
    """
    pin, files = fetch(name, frozen)
    suffix = pin.tarball.name.rpartition(".")[2]
    place(files[pin.tarball.name], into / "upstream" / f"{name}.tar.{suffix}")
    debian_tarball = files[pin.debian_tarball.name] if pin.debian_tarball else None
    patches.extract(debian_tarball, pin.patches, into / "debian-patches")
    return pin


def lock(names: Iterable[str] = ()) -> list[Move]:
    """Pins each source package (all of them by default) at the newest version of its series, and fetches it.

    A pin never moves backwards: where the mirror has only older versions, the pin stays.
    """
    wanted = [source_of(name) for name in names] or list(SOURCES)
    apt = Apt.of_machine(RELEASE)
    apt.update()
    old = read_lock()
    with Step("lock Debian", len(wanted)) as step:
        for source in wanted:
            step.now(source.name)
            record([_locked(apt, source, old.get(source.name))])
            step.done(source.name)
    return moves({n: pin.version for n, pin in old.items()}, {n: pin.version for n, pin in read_lock().items()})


def _locked(apt: Apt, source: Source, current: Pin | None) -> Pin:
    newer = _newest(apt, source, above=current.version if current else "")
    if newer:
        return newer
    if current is None:
        raise ForgeError(f"The mirror has no {source.name} {source.series} of Debian {RELEASE}")
    return _with_patches(_download(apt, current), current, source)


def record(pins: Iterable[Pin]) -> None:
    """Writes ``pins`` into the lock, beside those that are there; one build of a checkout at a time does so."""
    packages = {**read_lock(), **{pin.name: pin for pin in pins}}
    entries = {name: asdict(pin) for name, pin in sorted(packages.items())}
    for entry in entries.values():
        del entry["name"]
    write_text(LOCK, json.dumps({"release": RELEASE, "packages": entries}, indent=2) + "\n")


def candidates(stanzas: Iterable[str], source: Source) -> list[Pin]:
    """The versions of ``source`` that the index paragraphs hold, newest first.

    One version may stand in several suites; each file keeps the path of the first one.
    """
    versions: dict[str, Pin] = {}
    for stanza in stanzas:
        name, version = _field(stanza, "Package"), _field(stanza, "Version")
        upstream = upstream_version(version)
        in_series = not source.series or upstream == source.series or upstream.startswith(source.series + ".")
        if name == source.name and in_series:
            files = tuple(file for file in _files(stanza) if _is_needed(file.name, source))
            versions.setdefault(version, Pin(name, version, files))
    return [versions[version] for version in sorted(versions, key=functools.cmp_to_key(_compare), reverse=True)]


def _newest(apt: Apt, source: Source, above: str) -> Pin | None:
    """The newest version above ``above`` whose files are to be had."""
    for pin in candidates(apt.stanzas({source.name}), source):
        if above and _compare(pin.version, above) <= 0:
            return None
        try:
            pin = _with_patches(_download(apt, pin), pin, source)
        except GoneError as gone:
            say(f"{source.name} {pin.version}: {gone.what}; looking for an older one")
            continue
        for cve in sorted({*pin.unaccounted} - source.fixed_upstream.keys()):
            say(f"{source.name} {pin.version}: no patch taken names {cve}: see Source.fixed_upstream and Source.also")
        return pin
    return None


def _with_patches(files: Mapping[str, Path], pin: Pin, source: Source) -> Pin:
    """``pin`` with the security patches that its Debian tarball holds."""
    if pin.debian_tarball is None:
        return pin
    series, changelog = patches.read_series(files[pin.debian_tarball.name])
    taken = patches.security(series, source.also)
    also = [source.also[patch.name] for patch in taken if patch.name in source.also]
    unaccounted = patches.unaccounted(changelog, taken, also)
    return replace(pin, patches=tuple(patch.name for patch in taken), unaccounted=tuple(unaccounted))


def _download(apt: Apt, pin: Pin) -> dict[str, Path]:
    paths = {}
    for file in pin.files:
        paths[file.name] = keep(file.sha256, file.name, functools.partial(apt.download, file.path))
    return paths


def knows(name: str) -> bool:
    """Whether ``name`` is one of the source packages."""
    return name in {source.name for source in SOURCES}


def source_of(name: str) -> Source:
    """What is known of the source package ``name``."""
    for source in SOURCES:
        if source.name == name:
            return source
    raise ForgeError(f"{name} is not among the Debian sources", "See SOURCES in forge/sources/debian.py.")


def _field(stanza: str, name: str) -> str:
    match = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return match[1] if match else ""


def _files(stanza: str) -> Iterator[PoolFile]:
    directory = _field(stanza, "Directory")
    block = re.search(r"^Checksums-Sha256:[ ]*\n((?: .*\n?)+)", stanza, re.MULTILINE)
    for line in block[1].splitlines() if block else []:
        sha256, size, name = line.split()
        yield PoolFile(f"{directory}/{name}", int(size), sha256)


def _is_needed(name: str, source: Source) -> bool:
    """Whether a recipe needs the file: not signatures, not the ``.dsc``, not further upstream components."""
    if not re.search(r"\.tar\.(gz|bz2|xz|zst)$", name) or ".orig-" in name:
        return False
    return not (source.upstream_only and ".debian.tar." in name)


def _compare(left: str, right: str) -> int:
    """Negative, zero or positive, as dpkg orders versions (deb-version(7))."""
    for operator, result in (("lt", -1), ("gt", 1)):
        if subprocess.run(["dpkg", "--compare-versions", left, operator, right], check=False).returncode == 0:
            return result
    return 0
