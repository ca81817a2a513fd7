"""Messages of the programs that are written in Python: each language has all of them, and every call its values.

Those of the installer's header are in test_installer_languages.py.
"""

import ast
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from forge.installer import wording
from forge.installer.assemble import FOLDER, ON_THE_SERVER
from forge.paths import ROOT
from post_install import messages
from tests.russian import LOCALES, RUSSIAN


@dataclass(frozen=True)
class Program:
    """Its messages by key, in both languages, and its modules."""

    english: Mapping[str, str]
    russian: Mapping[str, str]
    modules: tuple[Path, ...]

    def calls(self) -> Iterator[tuple[str, set[str]]]:
        """The keys that ``message`` is called with, each with the names of the values."""
        for module in self.modules:
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "message":
                    names = {keyword.arg or "**" for keyword in node.keywords}
                    key = node.args[0]
                    for branch in (key.body, key.orelse) if isinstance(key, ast.IfExp) else (key,):
                        if isinstance(branch, ast.Constant):
                            yield str(branch.value), names

    def literals(self) -> set[str]:
        """All texts in the code: a key that is put together aside, the used ones are among them."""
        nodes = [node for module in self.modules for node in ast.walk(ast.parse(module.read_text()))]
        return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


PROGRAMS = {
    "the host's steps": Program(
        messages.LANGUAGES["en"],
        messages.LANGUAGES["ru"],
        tuple(path for path in (ROOT / "post_install").rglob("*.py") if path.parent.name != "messages"),
    ),
    "the installer's Python": Program(
        wording.ENGLISH,
        wording.RUSSIAN,
        tuple(FOLDER / f"{name}.py" for name in ON_THE_SERVER if name != "wording"),
    ),
}

PUT_TOGETHER = {
    *(f"{kind}_for_{wanted}" for kind in ("link", "other") for wanted in ("folder", "file")),
    *(f"{task}_failed" for task in ("plan", "link", "back")),
}

of_each_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())


def values(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@of_each_program
def test_both_languages_have_the_same_messages_with_the_same_values(program: Program) -> None:
    assert list(program.english) == list(program.russian)
    assert {key: values(text) for key, text in program.english.items()} == {
        key: values(text) for key, text in program.russian.items()
    }


@of_each_program
def test_every_call_has_a_message_and_gives_it_all_its_values(program: Program) -> None:
    calls = list(program.calls())
    assert len(calls) > 5
    lacking = [(key, values(program.english[key]) - names) for key, names in calls if "**" not in names]
    assert [entry for entry in lacking if entry[1]] == []


@of_each_program
def test_every_message_is_used(program: Program) -> None:
    assert set(program.english) - program.literals() <= PUT_TOGETHER


@pytest.mark.parametrize(("environment", "russian"), LOCALES)
def test_the_steps_speak_russian_where_the_header_does(
    environment: dict[str, str], russian: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**RUSSIAN, **environment}.items():
        monkeypatch.setenv(name, value)
    assert messages.message("in_place") == ("всё на месте" if russian else "everything is in place")
