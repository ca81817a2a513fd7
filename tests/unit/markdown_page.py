"""A page of the documentation: its links, the anchors of its headings, and the command lines that it shows."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_BETWEEN = re.compile(r"&&|\|\||[;|]")
"""What ends a command in a line of the shell."""


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text())

    def _inline(self) -> Iterator[Token]:
        for token in self._tokens:
            yield from token.children or ()

    @property
    def links(self) -> list[str]:
        """Where links and pictures lead, as written."""
        return [str(token.attrs[name]) for token in self._inline() for name in ("href", "src") if name in token.attrs]

    @cached_property
    def anchors(self) -> set[str]:
        """What stands behind ``#`` in links to the headings, as GitHub forms it."""
        found: set[str] = set()
        for opening, inline in pairwise(self._tokens):
            if opening.type == "heading_open":
                slug = re.sub(r"[^\w\- ]", "", _plain(inline).lower()).replace(" ", "-")
                repeated = sum(anchor == slug or anchor.startswith(f"{slug}-") for anchor in found)
                found.add(f"{slug}-{repeated}" if slug in found else slug)
        return found

    @property
    def pieces(self) -> list[str]:
        """The pieces of code in the text."""
        return [token.content for token in self._inline() if token.type == "code_inline"]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The rows of all tables, the text of each cell; heads are rows, too."""
        found: list[tuple[str, ...]] = []
        for before, token in pairwise(self._tokens):
            if token.type == "tr_open":
                found.append(())
            elif before.type in ("td_open", "th_open"):
                found[-1] += (_plain(token),)
        return found

    @property
    def lines(self) -> list[str]:
        """The lines of code blocks, a continued one as one line."""
        blocks = [token.content for token in self._tokens if token.type in ("fence", "code_block")]
        return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]

    def commands(self, program: str) -> list[list[str]]:
        """The words after ``program``, wherever it is called in a block or named with words after it in the text."""
        return called(program, [*self.lines, *(piece for piece in self.pieces if "…" not in piece)])


def called(program: str, lines: Iterable[str]) -> list[list[str]]:
    """The words after ``program`` in each of the lines that calls it."""
    parts = (_words(part.removeprefix("$ ")) for line in lines for part in _BETWEEN.split(line))
    names = [(words, [Path(word).name for word in words]) for words in parts]
    return [words[found.index(program) + 1 :] for words, found in names if program in found]


def _plain(inline: Token) -> str:
    return "".join(token.content for token in inline.children or ())


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # an apostrophe: what a program says, no command
        return []
