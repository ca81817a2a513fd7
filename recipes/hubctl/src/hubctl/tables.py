"""Rows for people: a table on a terminal, a line each elsewhere."""

import sys
from collections.abc import Sequence


def show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows below their heads; in a pipe without heads, with a space between what a row has."""
    if not sys.stdout.isatty():
        print("".join(f"{' '.join(row)}\n" for row in rows), end="")
        return
    from rich.console import Console  # a pipe, and the shell that completes a word, need not wait for it
    from rich.table import Table

    table = Table(box=None, show_header=bool(heads))
    for head in heads or [""] * max(map(len, rows), default=0):
        table.add_column(head, overflow="fold")  # a path without its end is no path
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)  # a list such as [alice] is no style
