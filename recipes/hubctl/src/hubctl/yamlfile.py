"""YAML files whose mistakes can be shown with their line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hubctl.errors import HubError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing that is wrong with a file.

    Attributes:
        line: counted from 1; 0 where that is not known.
        key: the key path, as people write it; empty where the file is none of keys and values.
        text: what was expected.
    """

    line: int
    key: str
    text: str


class MistakesError(HubError):
    """A file can't be used as it is: a line for each mistake."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(f"{path}{_before(mistake)}: {mistake.text}" for mistake in mistakes))
        self.mistakes = mistakes


def _before(mistake: Mistake) -> str:
    return (f":{mistake.line}" if mistake.line else "") + (f": {mistake.key}" if mistake.key else "")


@dataclass(frozen=True)
class Document:
    """A file's values, and the line (counted from 1) of each key path."""

    path: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, where: KeyPath) -> int:
        """The line of ``where``, or of the nearest key above it that the file holds."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)


def read(path: Path) -> Document:
    """Reads a YAML file whose top level is keys and values. A key without a value counts as not written.

    Raises:
        HubError: the file can't be read.
        MistakesError: it is not such YAML.
    """
    return parse(read_text(path), path)


def read_text(path: Path) -> str:
    """What stands in the file.

    Raises:
        HubError: it can't be read.
        MistakesError: it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MistakesError(path, [_invalid(0, str(error).splitlines()[0])]) from None
    except FileNotFoundError:
        raise HubError(
            f"{path} is not there", "`hubctl setup` writes it, as root; `hubctl --root DIR` works in a folder instead"
        ) from None
    except OSError as error:
        do = "run this as root, or as the user that the hub runs as" if isinstance(error, PermissionError) else ""
        raise HubError(f"{path} can't be read: {error.strerror}", do) from None


def parse(text: str, path: Path) -> Document:
    """As ``read``, of a text that is, or is to be, in the file ``path``."""
    nodes = tree(text, path)
    return Document(path, plain(nodes), dict(_lines(nodes, ())))


def tree(text: str, path: Path) -> CommentedMap:
    """The text with its comments, to be changed and dumped again.

    Raises:
        MistakesError: it is no YAML of keys and values.
    """
    try:
        nodes = round_trip().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(error.problem or error.context).split())
        raise MistakesError(path, [_invalid(line, problem)]) from None
    except YAMLError as error:
        raise MistakesError(path, [_invalid(0, str(error).splitlines()[0])]) from None
    if nodes is None:
        return CommentedMap()
    if not isinstance(nodes, CommentedMap):
        found = f"expected keys and values (`port: 8000`), got {type(nodes).__name__}"
        raise MistakesError(path, [Mistake(1, "", found)])
    return nodes


def _invalid(line: int, problem: str) -> Mistake:
    return Mistake(line, "", f"not valid YAML: {problem}")


def round_trip() -> YAML:
    """Reads and writes a text with its comments and quotes as they are."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 2**16  # lines stay as long as they are
    return yaml


def plain(node: Any) -> Any:
    """The node without comments, and without the keys that have no value."""
    if isinstance(node, CommentedMap):
        return {key if isinstance(key, str) else str(key): plain(v) for key, v in node.items() if v is not None}
    if isinstance(node, CommentedSeq):
        return [plain(item) for item in node]
    return node


def _lines(node: Any, where: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            inside = (*where, key if isinstance(key, str) else str(key))
            yield inside, node.lc.key(key)[0] + 1
            yield from _lines(value, inside)
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            yield (*where, index), node.lc.item(index)[0] + 1
            yield from _lines(value, (*where, index))
