"""What a conda package says of itself and of what it installs: the documents of ``info/`` (CEP 34)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PLACEHOLDER = ("/opt/hubforge" + "_placehold" * 25)[:255]
"""Stands for the prefix in every package; 255 bytes, as in conda-build, so that any real prefix fits in its place."""

FileMode = Literal["text", "binary"]


@dataclass(frozen=True)
class Index:
    """``info/index.json``: what the solver reads.

    ``timestamp`` is in milliseconds since 1970; None means that the writer fills it from its epoch.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    subdir: str = "noarch"
    noarch: Literal["python", "generic"] | None = None
    license: str | None = None
    license_family: str | None = None
    python_site_packages_path: str | None = None
    track_features: str | None = None
    timestamp: int | None = None

    @property
    def stem(self) -> str:
        """``name-version-build``: the file's name without its extension (CEP 26)."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        """The package's file name in its channel."""
        return f"{self.stem}.conda"

    def document(self, epoch: int) -> dict[str, Any]:
        """The JSON document; ``epoch`` (seconds) stands in for a missing timestamp."""
        platform, _, machine = self.subdir.partition("-")
        document: dict[str, Any] = {
            "arch": {"64": "x86_64"}.get(machine, machine) or None,
            "build": self.build,
            "build_number": self.build_number,
            "constrains": list(self.constrains),
            "depends": list(self.depends),
            "name": self.name,
            "platform": platform if machine else None,
            "subdir": self.subdir,
            "timestamp": epoch * 1000 if self.timestamp is None else self.timestamp,
            "version": self.version,
        }
        for key in ("noarch", "license", "license_family", "python_site_packages_path", "track_features"):
            if (value := getattr(self, key)) is not None:
                document[key] = value
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Index":
        """From ``info/index.json`` or from a record of ``repodata.json``; keys unknown here are left out."""
        known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
        for key in ("depends", "constrains"):
            known[key] = tuple(known.get(key, ()))
        return cls(**known)


@dataclass(frozen=True)
class About:
    """``info/about.json``: what people read. ``extra`` says where the package comes from."""

    summary: str = ""
    license: str = ""
    home: str = ""
    description: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON document, without what is empty."""
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return {key: dict(value) if key == "extra" else value for key, value in values.items() if value}


@dataclass(frozen=True)
class Member:
    """One installed file.

    ``path`` is relative to the prefix. ``link`` is the target of a symbolic link (then ``data`` is empty).
    ``file_mode`` is set where the data holds ``placeholder``: how the installing side replaces it.
    """

    path: str
    data: bytes = b""
    executable: bool = False
    link: str | None = None
    file_mode: FileMode | None = None
    placeholder: str = PLACEHOLDER
    no_link: bool = False


@dataclass(frozen=True)
class PathEntry:
    """One line of ``info/paths.json``. Of a link to a file in the package: hash and size are the file's."""

    path: str
    sha256: str
    size: int
    path_type: Literal["hardlink", "softlink", "directory"] = "hardlink"
    file_mode: FileMode | None = None
    placeholder: str | None = None
    no_link: bool = False

    def document(self) -> dict[str, Any]:
        """The JSON document."""
        document: dict[str, Any] = {"_path": self.path, "path_type": self.path_type}
        if self.placeholder:
            document |= {"file_mode": self.file_mode, "prefix_placeholder": self.placeholder}
        if self.no_link:
            document["no_link"] = True
        return document | {"sha256": self.sha256, "size_in_bytes": self.size}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "PathEntry":
        """From an entry of ``paths``."""
        placeholder = document.get("prefix_placeholder") or None
        return cls(
            path=document["_path"],
            sha256=document.get("sha256") or "",
            size=document.get("size_in_bytes") or 0,
            path_type=document.get("path_type", "hardlink"),
            file_mode=document.get("file_mode", "text") if placeholder else None,
            placeholder=placeholder,
            no_link=bool(document.get("no_link")),
        )
