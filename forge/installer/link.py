"""What an installation consists of beside its packages: links, conda's history, the cache's records, the marker.

Runs on the server, under ``upgrade.py`` and ``package_tests.py``, with the Python and the py-rattler just unpacked, and
when the installer is made, for what ``linked.py`` prepares. Only the standard library and rattler can be imported here.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rattler import MatchSpec, PackageRecord, PrefixRecord, RepoDataRecord, install

EXIT_FAILED = 4


@dataclass(frozen=True)
class Package:
    """One package of the installer, as its channel describes it."""

    channel: str
    subdir: str
    file_name: str
    record: dict[str, Any]
    distributions: tuple[str, ...]
    """The Python projects in it, by their normalised names (PyPA's binary distribution format)."""

    @property
    def name(self) -> str:
        """Its name, as conda has it."""
        return str(self.record["name"])

    @property
    def stem(self) -> str:
        """``name-version-build``."""
        return self.file_name.removesuffix(".conda")

    @property
    def url(self) -> str:
        """Where the channel has it."""
        return f"{self.channel}/{self.subdir}/{self.file_name}"

    @property
    def cache_record(self) -> str:
        """What conda wants to find beside it in a package cache (``repodata_record.json``)."""
        document = {**self.record, "channel": self.channel, "fn": self.file_name, "url": self.url}
        return json.dumps(document, indent=2, sort_keys=True)

    def linkable(self, cache: Path) -> RepoDataRecord:
        """What rattler links, from the unpacked package."""
        package = PackageRecord.from_index_json(
            cache / self.stem / "info/index.json",
            size=self.record["size"],
            sha256=self.record["sha256"],
            md5=self.record["md5"],
        )
        return RepoDataRecord(package, self.file_name, self.url, self.channel)


@dataclass(frozen=True)
class Environment:
    """An environment that the installer makes."""

    name: str
    specs: list[str]
    packages: list[Package]

    def folder(self, prefix: Path) -> Path:
        """Its own prefix."""
        return prefix if self.name == "base" else prefix / "envs" / self.name


@dataclass(frozen=True)
class Release:
    """What the installer carries, from ``index.json`` and the repodata."""

    name: str
    version: str
    channel_name: str
    channel_url: str
    condarc: str
    packages: list[Package]
    environments: list[Environment]


def read_release(work: Path) -> Release:
    """Reads the descriptions that the header laid into the work folder."""
    index = json.loads((work / "index.json").read_text())
    return release(
        index, {subdir: json.loads((work / f"repodata-{subdir}.json").read_text()) for subdir in index["subdirs"]}
    )


def release(index: Mapping[str, Any], repodata: Mapping[str, Mapping[str, Any]]) -> Release:
    """What these documents describe; ``repodata`` by subdir."""
    packages = {}
    for subdir in index["subdirs"]:
        for file_name, record in repodata[subdir]["packages.conda"].items():
            key = f"{subdir}/{file_name}"
            distributions = tuple(index["distributions"].get(key, ()))
            packages[key] = Package(index["channel_url"], subdir, file_name, record, distributions)
    environments = [
        Environment(item["name"], list(item["specs"]), [packages[key] for key in item["packages"]])
        for item in index["environments"]
    ]
    return Release(
        name=index["name"],
        version=index["version"],
        channel_name=index["channel_name"],
        channel_url=index["channel_url"],
        condarc=index["condarc"],
        packages=list(packages.values()),
        environments=environments,
    )


def installed_records(folder: Path) -> list[PrefixRecord]:
    """The packages that an environment holds now."""
    return [PrefixRecord.from_path(path) for path in sorted((folder / "conda-meta").glob("*.json"))]


async def copy(environment: Environment, folder: Path, cache: Path) -> None:
    """Makes ``folder`` an environment of the same packages."""
    packages = [package.linkable(cache) for package in environment.packages]
    await install(packages, target_prefix=folder, cache_dir=cache, installed_packages=[], show_progress=False)


async def link(
    environment: Environment,
    folder: Path,
    records: Sequence[RepoDataRecord],
    *,
    cache: Path,
    present: Sequence[PrefixRecord] = (),
    ignored: Collection[str] = (),
    anew: Collection[str] = (),
) -> None:
    """Makes ``folder``, which holds ``present``, hold ``records``; packages named in ``ignored`` are not touched.

    Those named in ``anew`` are linked again though they seem to be there.
    """
    await install(
        list(records),
        target_prefix=folder,
        cache_dir=cache,
        installed_packages=list(present),
        ignored_packages=set(ignored),
        reinstall_packages=set(anew),
        # py-rattler 0.28 hands these to its Rust part as they are, which wants its own kind.
        requested_specs=[MatchSpec(spec)._match_spec for spec in environment.specs],
        show_progress=False,
    )
    # rattler marks what it makes as a cache, which backups leave out: an installation is none. A rattler that failed or
    # was killed before may have left the files that it tried links with and began records in.
    for pattern in ("CACHEDIR.TAG", "symtest_*", "conda-meta/prefix_record_*"):
        for path in folder.glob(pattern):
            path.unlink()
    # Its records are readable by their owner alone, but conda wants to read them for every user.
    for path in (folder / "conda-meta").glob("*.json"):
        path.chmod(0o644)


def stem_of(record: RepoDataRecord) -> str:
    """``name-version-build`` of a record."""
    return f"{record.name.normalized}-{record.version}-{record.build}"


def _in_history(record: PrefixRecord, release: Release) -> str:
    """A package as conda's history names it; our channel by its name."""
    channel = (record.channel or "").rstrip("/").removesuffix(f"/{record.subdir}")
    return f"{release.channel_name if channel == release.channel_url else channel}/{record.subdir}::{stem_of(record)}"


def recorded_state(history: Path) -> set[str]:
    """The packages that conda's history ends with (conda writes changes as ``+`` and ``-`` lines)."""
    state: set[str] = set()
    for line in history.read_text().splitlines() if history.is_file() else []:
        if line.startswith("+"):
            state.add(line[1:])
        elif line.startswith("-"):
            state.discard(line[1:])
    return state


def write_history(
    environment: Environment, folder: Path, command: str, release: Release, dropped: Sequence[str] = ()
) -> None:
    """Appends a revision to ``conda-meta/history`` when the packages differ from the last one.

    The first revision makes the state after the installation the one that ``conda install --revision 0`` returns to.
    conda takes the specs for what was asked for; ``dropped`` are names that a release before asked for.
    """
    history = folder / "conda-meta/history"
    before = recorded_state(history)
    # conda has names of its own for other channels: what it has written once, stays.
    written = {name.partition("::")[2]: name for name in before}
    now = {written.get(stem_of(record), _in_history(record, release)) for record in installed_records(folder)}
    if now == before:
        return
    changes = [f"-{name}" for name in sorted(before - now)] + [f"+{name}" for name in sorted(now - before)]
    if dropped:
        changes += [f"# remove specs: {list(dropped)!r}"]
    earlier = history.read_text() if history.is_file() else ""
    date = time.strftime("%Y-%m-%d %H:%M:%S")
    replace(history, earlier + revision(environment, release, date, command, changes))


def revision(environment: Environment, release: Release, date: str, command: str, changes: Sequence[str]) -> str:
    """A paragraph of conda's history."""
    lines = [f"==> {date} <==", f"# cmd: {command}"]
    lines += [f"# conda version: {p.record['version']}" for p in release.packages if p.record["name"] == "conda"]
    return "\n".join([*lines, *changes, f"# update specs: {environment.specs!r}", ""])


def write_cache_records(cache: Path, packages: Iterable[Package]) -> None:
    """What conda wants in a package cache, so that ``conda create --offline`` uses it."""
    urls = cache / "urls.txt"
    known = urls.read_text().splitlines() if urls.is_file() else []
    for package in packages:
        replace(cache / package.stem / "info/repodata_record.json", package.cache_record)
        if package.url not in known:
            known.append(package.url)
    replace(urls, "\n".join([*known, ""]))
    for leftover in cache.glob(".*.partial"):
        shutil.rmtree(leftover)
    for lock in cache.glob("*.lock"):
        lock.unlink()


def write_condarc(prefix: Path, text: str, shipped_before: str | None) -> bool:
    """Writes ``.condarc``; False where an edited one stays, and the new text has arrived as ``.condarc.new``."""
    path = prefix / ".condarc"
    if path.is_file() and path.read_text() != text and sha256(path.read_text()) != shipped_before:
        replace(prefix / ".condarc.new", text)
        return False
    replace(path, text)
    return True


def marker(release: Release, installed: str, earlier: Mapping[str, Collection[str]]) -> str:
    """The marker's text: which release, and the sha256 of every package in every environment.

    ``installed`` says when (ISO 8601, UTC). ``earlier`` are the packages (``name-version-build``) that releases before
    have put into an environment: what else somebody finds in it is the administrator's.
    """
    document = {
        "name": release.name,
        "version": release.version,
        "installed": installed,
        "channel": release.channel_url,
        "condarc_sha256": sha256(release.condarc),
        "earlier": {name: sorted(stems) for name, stems in earlier.items()},
        "environments": {
            environment.name: {
                "specs": environment.specs,
                "packages": {p.record["name"]: f"{p.stem} {p.record['sha256']}" for p in environment.packages},
            }
            for environment in release.environments
        },
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def sha256(text: str) -> str:
    """The text's sha256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def replace(path: Path, text: str) -> None:
    """Writes a file that is whole or not there."""
    temporary = path.with_name(f".{path.name}.hubforge")
    temporary.write_text(text)
    temporary.replace(path)


def end(code: int) -> NoReturn:
    """Ends this program. rattler's threads need not be waited for, and sometimes crash at the interpreter's exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
