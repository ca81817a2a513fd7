"""The requirement lines that people write (``lockfiles/pypi/*.in``, ``lockfiles/site.in``), read as pip reads them.

Format: pip's "Requirements File Format", whose comments, options and continued lines go around what PEP 508 says.
"""

from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from pip._internal.req.req_file import ignore_comments, join_lines

from forge.errors import ForgeError
from forge.target import SERIES, marker_environment


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, each with its number, from 1 on."""
    return ((number, line.strip()) for number, line in ignore_comments(join_lines(enumerate(text.splitlines(), 1))))


def parse(text: str, file: str) -> list[Requirement]:
    """The requirements in ``text``, without its options.

    Args:
        file: what it is called, for the message.

    Raises:
        ForgeError: a line is no requirement, or names an address; with the file and the line.
    """
    found = []
    for number, line in lines(text):
        if line.startswith("-"):
            continue
        try:
            requirement = Requirement(line.partition(" --")[0])
        except InvalidRequirement as error:
            raise ForgeError(
                f"{file}, line {number}: {line!r} is no requirement: {str(error).partition(chr(10))[0]}",
                "Write a project's name, and its versions where that matters: oracledb>=2",
            ) from error
        if requirement.url:
            raise ForgeError(
                f"{file}, line {number}: {requirement.name} is named by an address",
                "Locks hold no addresses: let the PyPI mirror have it, and write its name alone.",
            )
        found.append(requirement)
    return found


def holds(requirement: Requirement) -> bool:
    """Whether it is wanted on the target: its marker holds there, or it has none."""
    environment = {**marker_environment(f"{SERIES}.0"), "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(environment)
