"""What hubctl can do and what it puts on a server stands in the documentation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from hubctl import kernels
from hubctl.cli import app
from hubctl.layout import Layout

CHECKOUT = Path(__file__).parents[2]


def commands(command: Any, words: str) -> Iterator[str]:
    """``hubctl image load``, for every command without commands below it."""
    below = getattr(command, "commands", {})
    for name, inner in below.items():
        yield from commands(inner, f"{words} {name}")
    if not below:
        yield words


def test_every_command_is_in_the_readme_or_the_docs() -> None:
    texts = "".join(path.read_text() for path in (CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")))
    all_commands = list(commands(typer.main.get_command(app), "hubctl"))
    assert "hubctl image load" in all_commands
    assert [command for command in all_commands if command not in texts] == []


def test_every_place_of_the_hub_is_in_the_list_of_what_is_done_to_a_server() -> None:
    layout = Layout(Path("/"))
    places = [getattr(layout, name) for name, kind in vars(Layout).items() if isinstance(kind, property)]
    spawns = [layout.runtime / name for name in ("servers", "names", "ipc", "krb5.conf")]
    places = [*filter(lambda place: isinstance(place, Path), places), *spawns, kernels.folder(layout)]
    text = (CHECKOUT / "docs/installer-actions.md").read_text()
    assert [place for place in map(str, places) if f"`{place}" not in text] == []
