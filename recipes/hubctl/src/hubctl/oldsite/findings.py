"""What becomes of an old configuration: settings of ``hub.yaml``, work for a person, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hubctl.oldsite.expressions import is_known
from hubctl.oldsite.oldconfig import OldConfig, Option
from hubctl.yamlfile import KeyPath

PYTHON = "/etc/jupyterhub/jupyterhub_config.d/20-site.py"
"""Where what is no setting can be put."""


@dataclass(frozen=True)
class Carried:
    """What goes into ``hub.yaml``.

    Attributes:
        old: the option that it comes from.
        where: the setting.
        value: as the file has it.
    """

    old: str
    line: int
    where: KeyPath
    value: Any


@dataclass(frozen=True)
class Person:
    """What only a person can do. No value of the old file is in it, unless it is known to be no secret."""

    what: str
    do: str
    line: int | None = None


@dataclass
class Findings:
    """What becomes of all options.

    Attributes:
        config: what is sorted.
        allowed: who was allowed to log in; empty when everybody was.
        unneeded: options that this hub has no use for.
    """

    config: OldConfig
    carried: list[Carried] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    unneeded: list[str] = field(default_factory=list)

    def carry(self, option: Option, where: str, value: Any) -> None:
        """Makes it a setting, ``limits.memory``."""
        self.carried.append(Carried(option.name, option.line, tuple(where.split(".")), value))

    def person(self, option: Option, do: str) -> None:
        """Leaves it to a person."""
        self.persons.append(Person(option.name, do, option.line))

    def value(self, *names: str) -> Option | None:
        """The first of these options that is set, and known."""
        for option in self.config.options.values():
            if option.name.rpartition(".")[2] in names and is_known(option.value) and option.value:
                return option
        return None


Rule = Callable[[Findings, Option], None]
"""What is done with an option whose value is known.

Raises:
    TypeError, ValueError, AttributeError: JupyterHub would not take it.
"""


def fits(kind: Any, value: Any) -> bool:
    """Whether a setting of that kind can have the value."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True
