"""What a wheel says about itself."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from forge.dates import newest_of
from forge.errors import ForgeError
from forge.target import GLIBC, Target

_SHARED_LIBRARY = re.compile(r"\.so(\.\d+)*$")
_LICENSE_FILE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)")


@dataclass(frozen=True)
class Wheel:
    """A wheel's own words (core metadata specification, wheel 1.x)."""

    path: Path
    sha256: str
    name: NormalizedName
    version: Version
    tags: frozenset[Tag]
    dist_info: str
    metadata: RawMetadata
    requirements: tuple[Requirement, ...]
    requires_python: SpecifierSet
    licenses: tuple[str, ...]
    """The licence files' names in the wheel."""
    date: int
    """The newest date of its files, in seconds since 1970."""
    libraries: bool
    """Whether there are shared libraries in it, whatever its tag says."""

    @property
    def noarch(self) -> bool:
        """Whether one package serves every platform and every Python of the right age.

        Wheels that say so and bring libraries for some platforms along (debugpy does) are packages for this one.
        """
        return (
            not self.libraries
            and {tag.platform for tag in self.tags} == {"any"}
            and {tag.abi for tag in self.tags} == {"none"}
        )

    @property
    def license(self) -> str | None:
        """The SPDX expression if there is one, else the short text or the classifier that stands for it."""
        given = self.metadata.get("license_expression") or self.metadata.get("license", "").strip()
        # "UNKNOWN" is what setuptools once wrote where nothing was given.
        if given not in ("", "UNKNOWN") and "\n" not in given and len(given) <= 80:
            return given
        names = [c.rpartition(" :: ")[2] for c in self.metadata.get("classifiers", []) if c.startswith("License :: ")]
        return " AND ".join(sorted(names)) or None

    @property
    def home(self) -> str:
        """The project's own page."""
        urls = {label.lower(): url for label, url in self.metadata.get("project_urls", {}).items()}
        found = [self.metadata.get("home_page", ""), *(urls.get(k, "") for k in ("homepage", "repository", "source"))]
        return next((url for url in found if url), "")


def read(path: Path, sha256: str, target: Target) -> Wheel:
    """Reads a wheel's metadata and checks that it runs on the target.

    Raises:
        ForgeError: it is no wheel, is for another machine or Python, or its metadata cannot be understood.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name, version, _, tags = parse_wheel_filename(path.name)
            dist_info = _dist_info(path, archive.namelist(), name)
            metadata, _ = parse_email(archive.read(f"{dist_info}/METADATA"))
            wheel_file = BytesParser().parsebytes(archive.read(f"{dist_info}/WHEEL"))
            licenses = tuple(sorted(_licenses(archive.namelist(), dist_info, metadata)))
            libraries = any(map(_SHARED_LIBRARY.search, archive.namelist()))
            date = newest_of(archive.infolist())
        wheel = Wheel(
            path=path,
            sha256=sha256,
            name=name,
            version=version,
            tags=tags,
            dist_info=dist_info,
            metadata=metadata,
            requirements=tuple(map(Requirement, metadata.get("requires_dist", []))),
            requires_python=SpecifierSet(metadata.get("requires_python", "")),
            licenses=licenses,
            date=date,
            libraries=libraries,
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        known = isinstance(error, InvalidWheelFilename | InvalidRequirement | InvalidSpecifier)
        raise ForgeError(f"{path.name} is no usable wheel: {error if known else repr(error)}.") from error
    _check(wheel, wheel_file, target)
    return wheel


def _check(wheel: Wheel, wheel_file: Message, target: Target) -> None:
    name = wheel.path.name
    if not (wheel_file["Wheel-Version"] or "").startswith("1."):
        raise ForgeError(f"{name} is in wheel format {wheel_file['Wheel-Version']}, known is 1.x.")
    if not wheel.tags & target.tags:
        raise ForgeError(
            f"{name} is not for CPython {target.series} on linux x86_64 with glibc {GLIBC}.",
            "Lock another version, or write a recipe for it.",
        )
    if target.python not in wheel.requires_python:
        raise ForgeError(f"{name} wants Python {wheel.requires_python}, here is {target.python}.")
    if canonicalize_name(wheel.metadata.get("name", "")) != wheel.name:
        raise ForgeError(f"{name} says that its name is {wheel.metadata.get('name')!r}.")


def _dist_info(path: Path, names: list[str], name: str) -> str:
    folders = {entry.partition("/")[0] for entry in names}
    found = [folder for folder in folders if folder.endswith(".dist-info")]
    if len(found) != 1 or canonicalize_name(found[0].removesuffix(".dist-info").rpartition("-")[0]) != name:
        raise ForgeError(f"{path.name} is no usable wheel: its dist-info folders are {sorted(found)}.")
    return found[0]


def _licenses(names: list[str], dist_info: str, metadata: RawMetadata) -> Iterator[str]:
    declared = {f"{dist_info}/{file}" for file in metadata.get("license_files", [])}
    for entry in names:
        folder, _, file = entry.partition("/")
        if folder == dist_info and file and not file.endswith("/"):
            named = "/" not in file and _LICENSE_FILE.match(file)
            if named or entry in declared or file.startswith(("licenses/", "license_files/")):
                yield entry
