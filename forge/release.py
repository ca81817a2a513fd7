"""A release: the metapackages that pin every package of the hub's environment, and of base."""

import datetime
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rattler
from ruamel.yaml import YAML

from forge import condapkg
from forge.errors import ForgeError
from forge.paths import RECIPES, ROOT, cache_dir

METAPACKAGE = "hubforge"

BASE = "hubforge-base"
"""The metapackage of conda's own environment, for servers that go to a release without its installer."""


def epoch(version: str) -> int:
    """The date of everything in release ``YYYY.MM`` or ``YYYY.MM.N``: the first of that month, in seconds since 1970.

    Raises:
        ForgeError: the version has another form.
    """
    try:
        day = datetime.datetime.strptime(".".join(version.split(".")[:2]), "%Y.%m").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise _malformed(version) from None
    return int(day.timestamp())


def number(version: str) -> tuple[int, ...]:
    """What releases are sorted by.

    Raises:
        ForgeError: the version is not of the form ``YYYY.MM`` or ``YYYY.MM.N``.
    """
    if not re.fullmatch(r"\d{4}\.\d{2}(\.\d+)?", version):
        raise _malformed(version)
    epoch(version)
    return tuple(map(int, version.split(".")))


def _malformed(version: str) -> ForgeError:
    return ForgeError(
        f"version {version} is not of the form YYYY.MM",
        "2026.11 is such a one, and 2026.11.1 the next in the same month.",
    )


def requirements() -> list[str]:
    """The match specs that the metapackage's recipe asks for."""
    return list(_recipe()["requirements"]["run"])


def metapackage(version: str, records: Sequence[rattler.RepoDataRecord]) -> Path:
    """The metapackage of the hub's environment, which pins ``records``, in the cache."""
    tests = json.dumps(_recipe()["tests"], indent=2) + "\n"  # which is YAML, too
    return _pinning(METAPACKAGE, "the hub", version, records, tests)


def base_metapackage(version: str, records: Sequence[rattler.RepoDataRecord]) -> Path:
    """The metapackage of base, which pins ``records``, in the cache."""
    return _pinning(BASE, "base", version, records, "")


def _pinning(name: str, what: str, version: str, records: Sequence[rattler.RepoDataRecord], tests: str) -> Path:
    pins = tuple(f"{record.name.normalized} =={record.version} {record.build}" for record in records)
    index = condapkg.Index(
        name=name,
        version=version,
        build="0",
        depends=pins,
        noarch="generic",
        license="BSD-3-Clause",
    )
    about = condapkg.About(summary=f"Hubforge {version}: every package of {what}, pinned", license="BSD-3-Clause")
    licenses = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    # two checkouts may pin different packages for one version
    key = hashlib.sha256("\n".join((name, version, *pins, tests)).encode()).hexdigest()
    folder = cache_dir("packages") / key
    return condapkg.write(folder, index, [], epoch=epoch(version), about=about, licenses=licenses, tests=tests)


def _recipe() -> dict[str, Any]:
    recipe: dict[str, Any] = YAML(typ="safe").load(RECIPES / METAPACKAGE / "recipe.yaml")
    return recipe


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One line a package that differs between two environments (name to ``version build``)."""
    return [
        f"{name}: {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
