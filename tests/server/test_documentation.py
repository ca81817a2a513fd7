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
from settings_reference import page as settings_page

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
    check_reference("hubctl.md", written.stdout, tmp_path)


def test_reference_of_the_settings_is_what_their_types_say(tmp_path: Path) -> None:
    check_reference("settings.md", settings_page(), tmp_path)


def check_reference(name: str, written: str, folder: Path) -> None:
    """Leaves the page as it should be in ``folder``, where it differs."""
    page = CHECKOUT / "docs" / name
    if page.read_text() != written:
        fresh = folder / name
        fresh.write_text(written)
        raise AssertionError(f"{page} is behind; mv {fresh} {page}")


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
