"""The header's messages, and which language it speaks."""

import re
from pathlib import Path

import pytest

from forge.installer.assemble import FOLDER, HEADER
from tests.russian import LOCALES, RUSSIAN, messages
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def test_both_languages_have_the_same_messages_with_the_same_values() -> None:
    english, russian = messages("en"), messages("ru")
    assert list(english) == list(russian)
    assert [text for text in (*english.values(), *russian.values()) if text.startswith("-")] == [], "printf's own flags"
    values = {key: re.findall(r"%.", text) for key, text in english.items()}
    assert {key: re.findall(r"%.", text) for key, text in russian.items()} == values
    assert {value for found in values.values() for value in found} <= {"%s"}


def test_every_message_is_used_and_every_used_one_is_there() -> None:
    text = "\n".join((FOLDER / f"{name}.sh").read_text() for name in HEADER if name.startswith("header/"))
    text = re.sub(r"(^|\s)# .*", "", text)
    said = r"\b(?:say|die \d|fine|warn|refuse|message|agreed|agreed_or \w+|answer_is) \"?([a-z_]+)\b"
    used = set(re.findall(said, text))
    plans = ("prepared", "skipped", "not_root", "of_another")
    used = (used - {"summary_host_"}) | {f"summary_host_{plan}" for plan in plans}
    assert used == set(messages("en"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("environment", "russian"), LOCALES)
def test_speaks_russian_where_the_locale_can_show_it(
    installer: Path, shell: str, environment: dict[str, str], russian: bool
) -> None:
    shown = run(installer, "-h", shell=shell, **{**RUSSIAN, **environment}).stdout
    assert shown.startswith("Использование" if russian else "Usage")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_russian_answer_accepts_the_licence(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    done = run(installer, "-s", shell=shell, answers=f"может\nда\n{prefix}\nнет\n", **RUSSIAN)  # noqa: RUF001
    assert (done.returncode, done.stderr) == (0, "")
    assert "Установлено: Hubforge 2026.11" in done.stdout
