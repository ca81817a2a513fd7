"""The installer in Russian: its messages, and which lines of what it says are English all the same."""

import re
import subprocess

from forge.installer import wording
from forge.installer.assemble import FOLDER
from post_install.messages import LANGUAGES
from post_install.steps import STEPS

RUSSIAN = {"LC_ALL": "", "LC_CTYPE": "", "LC_MESSAGES": "", "LANG": "ru_RU.UTF-8"}

LOCALES: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"LANG": "ru_RU.utf8"}, True),
    ({"LANG": "C", "LC_ALL": "ru_RU.UTF-8"}, True),
    ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ru_RU.UTF-8"}, True),
    ({"LANG": "ru_RU.KOI8-R"}, False),
    ({"LANG": "ru_RU"}, False),
    ({"LC_ALL": "C"}, False),
    ({"LC_CTYPE": "C"}, False),
    ({"LANG": "rundi.UTF-8"}, False),
    ({"LANG": "en_GB.UTF-8"}, False),
    ({"LANG": ""}, False),
]
"""What differs from RUSSIAN, and whether Russian is spoken then."""


def messages(language: str) -> dict[str, str]:
    """Every message of a language, by its key, as the shell reads it."""
    file = FOLDER / f"messages/{language}.sh"
    keys = re.findall(r"^    (\w+)\) text=", file.read_text(), re.MULTILINE)
    script = f'. {file}; for key; do message_{language} "$key"; printf "%s\\0" "$text"; done'
    texts = subprocess.run(["sh", "-euc", script, "-", *keys], capture_output=True, text=True, check=True).stdout
    return dict(zip(keys, texts.split("\0"), strict=False))


NAMES = (
    r"^(ok|warning|stop) +",  # of --check, as its help has them
    rf"^({'|'.join(step.name for step in STEPS)}|  base|  jupyterhubenv): ",
    r"\S*[/@=]\S*",
    r"«[^»]*»",
    r"default_realm|\b(auth: \w+|spawner: local)\b",
)
"""What is no word of a language."""


def words(text: str) -> set[str]:
    """The English words of a text, or what looks like one."""
    for pattern in NAMES:
        text = re.sub(pattern, " ", text, flags=re.MULTILINE)
    return {word.lower() for word in re.findall(r"[A-Za-z']{2,}", text)}


def english() -> set[str]:
    """The words of all English messages that no Russian one has, as names of programs are."""
    said = [*messages("en").values(), *LANGUAGES["en"].values(), *wording.ENGLISH.values()]
    russian = [*messages("ru").values(), *LANGUAGES["ru"].values(), *wording.RUSSIAN.values()]
    return words(re.sub(r"[{]\w+[}]", " ", "\n".join(said))) - words(re.sub(r"[{]\w+[}]", " ", "\n".join(russian)))


def english_lines(said: str) -> list[str]:
    """The lines that hold an English word."""
    ours = english()
    return [line for line in said.splitlines() if words(line) & ours]
