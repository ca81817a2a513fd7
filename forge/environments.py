"""Environments: match specs solved against the channel, and linked into a prefix.

Solving is for the target and not for this machine: the virtual packages are those of the oldest server, so that
nothing is chosen which needs a newer glibc.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import rattler
from rattler.exceptions import GatewayError, InstallerError, SolverError, TransactionError

from forge.errors import ForgeError
from forge.paths import cache_dir
from forge.target import GLIBC, SUBDIRS

_TARGET = {"__unix": "0", "__linux": "4.18", "__glibc": GLIBC, "__archspec": "1"}


def channel_url(folder: Path) -> str:
    """The ``file://`` address of a channel's folder."""
    return folder.resolve().as_uri()


def solve(specs: Sequence[str], channels: Sequence[Path]) -> list[rattler.RepoDataRecord]:
    """The packages that fulfil ``specs``, sorted by name; the first channel that has a name is the one that counts.

    Raises:
        ForgeError: no set of packages fulfils the specs, or a channel can't be read; the solver's reason is given.
    """
    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name),
            rattler.Version(version),
            rattler.BuildString("x86_64" if name == "__archspec" else "0"),
        )
        for name, version in _TARGET.items()
    ]

    async def run() -> list[rattler.RepoDataRecord]:
        # Channels here are folders that were just written: a cached answer would be an old one.
        config = rattler.SourceConfig(sharded_enabled=False, cache_action="no-cache")
        return await rattler.solve(
            [rattler.Channel(channel_url(channel)) for channel in channels],
            [rattler.MatchSpec(spec) for spec in specs],
            gateway=rattler.Gateway(default_config=config),
            platforms=list(SUBDIRS),
            virtual_packages=virtual,
        )

    try:
        records = asyncio.run(run())
    except (SolverError, GatewayError) as error:
        raise ForgeError(
            f"no packages fulfil {', '.join(specs)}: {error}", "Add what is missing to lockfiles/ or recipes/."
        ) from error
    return sorted(records, key=lambda record: record.name.source)


def link(records: Sequence[rattler.RepoDataRecord], prefix: Path) -> None:
    """Makes ``prefix`` hold exactly ``records``, by hard links out of the cache where the file system allows it.

    Raises:
        ForgeError: a package can't be read or linked.
    """

    async def run() -> None:
        meta = prefix / "conda-meta"
        installed = [rattler.PrefixRecord.from_path(path) for path in sorted(meta.glob("*.json"))]
        await rattler.install(
            list(records),
            target_prefix=prefix,
            cache_dir=cache_dir("linked"),
            installed_packages=installed,
            show_progress=False,
        )

    try:
        asyncio.run(run())
    except (InstallerError, TransactionError) as error:
        raise ForgeError(f"linking {prefix} failed: {error}") from error


def package_file(record: rattler.RepoDataRecord) -> Path:
    """The file in the channel's folder that ``record`` stands for."""
    return Path(unquote(urlsplit(record.url).path))
