"""What stands in an old ``jupyterhub_config.py``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Option:
    """Something that the file sets.

    Attributes:
        name: ``JupyterHub.port``.
        value: with ``Unknown`` where, or in what, only the running hub knows it.
        line: where it was set last.
    """

    name: str
    value: Any
    line: int


@dataclass(frozen=True)
class Inline:
    """A class that is written in the file.

    Attributes:
        bases: names of what it is derived from.
        of_kerberos: whether it has to do with Kerberos.
        realms: what looks like a realm in it.
    """

    name: str
    line: int
    bases: tuple[str, ...]
    of_kerberos: bool
    realms: tuple[str, ...]


@dataclass
class OldConfig:
    """What stands in the file.

    Attributes:
        options: by their names.
        classes: by their names.
        realms: values of names such as ``REALM``.
        loaded: lines that load further files, and how.
        unread: lines that do to the configuration what can't be read, and to which part of it.
        is_ours: whether it is the configuration of a hub of ours.
    """

    path: Path
    options: dict[str, Option] = field(default_factory=dict)
    classes: dict[str, Inline] = field(default_factory=dict)
    realms: list[str] = field(default_factory=list)
    loaded: dict[int, str] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)
    is_ours: bool = False
