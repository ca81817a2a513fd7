"""What hubctl can do and what it puts on a server stands in the documentation."""

import subprocess
import sys
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


def test_reference_of_the_commands_is_what_the_commands_say(tmp_path: Path) -> None:
    """Typer writes it from the code, without colours as in a pipe."""
    arguments = ["hubctl.cli", "utils", "docs", "--name", "hubctl", "--title", "Reference of `hubctl`"]
    written = subprocess.run([sys.executable, "-m", "typer", *arguments], capture_output=True, text=True, check=True)
    reference = CHECKOUT / "docs/hubctl.md"
    if reference.read_text() != written.stdout:
        fresh = tmp_path / "hubctl.md"
        fresh.write_text(written.stdout)
        raise AssertionError(f"{reference} is behind; mv {fresh} {reference}")


def help_texts(command: Any, words: str) -> Iterator[tuple[str, str]]:
    yield words, command.help or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from help_texts(inner, f"{words} {name}")


def test_help_of_every_command_has_an_example_of_it() -> None:
    texts = dict(help_texts(typer.main.get_command(app), "hubctl"))
    assert len(texts) > 20
    assert [words for words, text in texts.items() if f"Example: {words}" not in text] == []


def test_every_place_of_the_hub_is_in_the_list_of_what_is_done_to_a_server() -> None:
    layout = Layout(Path("/"))
    places = [getattr(layout, name) for name, kind in vars(Layout).items() if isinstance(kind, property)]
    spawns = [layout.runtime / name for name in ("servers", "names", "ipc", "krb5.conf")]
    places = [*filter(lambda place: isinstance(place, Path), places), *spawns, kernels.folder(layout)]
    text = (CHECKOUT / "docs/installer-actions.md").read_text()
    assert [place for place in map(str, places) if f"`{place}" not in text] == []
