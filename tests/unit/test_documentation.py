"""README.md and docs/: links lead somewhere, and what is to be typed exists."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import dropwhile, takewhile

import pytest

from forge.paths import ROOT

from . import doctor_lines
from .markdown_page import Page, called

DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): Page(path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))}
REFERENCE = DOCS / "hubctl.md"
"""Made from the code: tests/server/test_documentation.py."""

WRITTEN = [name for name, page in PAGES.items() if page.path != REFERENCE]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    page = PAGES[name]
    wrong = []
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        if not target.exists() or (anchor and anchor not in Page(target).anchors):
            wrong.append(link)
    assert wrong == []


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    reached = {(DOCS / link.partition("#")[0]).resolve() for link in Page(index).links}
    assert sorted(set(DOCS.glob("*.md")) - reached - {index}) == []


def test_every_module_of_the_build_tool_is_in_its_table_once() -> None:
    rows = iter(PAGES["docs/architecture.md"].rows)
    table = list(takewhile(lambda row: len(row) == 2, dropwhile(lambda row: row[0] != "module", rows)))
    named = [name for names, _ in table[1:] for name in names.split(", ")]
    files = [path.relative_to(ROOT / "forge").with_suffix("") for path in (ROOT / "forge").rglob("*.py")]
    assert sorted(named) == sorted(".".join(path.parts) for path in files if not path.name.startswith("__"))


@cache
def names_of_tests() -> set[str]:
    return {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_file_and_every_test_that_is_named_exists(name: str) -> None:
    folders = ("bench/", "config/", "forge/", "images/", "post_install/", "recipes/", "tests/")
    pieces = [
        piece.replace("hubctl/", "recipes/hubctl/src/hubctl/", 1) if piece.startswith("hubctl/") else piece
        for piece in PAGES[name].pieces
    ]
    files = [piece for piece in pieces if piece.startswith(folders) and not re.search("[A-Z*… ]{2}|[*… ]", piece)]
    named = [piece for piece in pieces if re.fullmatch(r"test_\w+", piece)]
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [test for test in named if test not in names_of_tests()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_is_said_to_be_in_a_file_is_in_it(name: str) -> None:
    said = re.findall(r"`(test_\w+)`\s+in\s+`(tests/[\w/]+\.py)`", PAGES[name].path.read_text())
    assert [(test, file) for test, file in said if f"def {test}(" not in (ROOT / file).read_text()] == []


def test_the_russian_quick_start_has_the_commands_pictures_and_links_of_the_english_one() -> None:
    english, russian = Page(DOCS / "quickstart.md"), Page(DOCS / "quickstart.ru.md")
    typed = [[line.partition("#")[0].rstrip() for line in page.lines] for page in (english, russian)]
    assert typed[0] == typed[1]
    assert [link for link in russian.links if link != english.path.name] == english.links


def options_of_hubctl() -> dict[tuple[str, ...], set[str]]:
    """The options of each command, and of each group of commands, as the reference has them."""
    found: dict[tuple[str, ...], set[str]] = {(): set()}
    command: tuple[str, ...] = ()
    for line in REFERENCE.read_text().splitlines():
        if heading := re.match(r"#+ `hubctl (.*)`", line):
            command = tuple(heading[1].split())
            found[command] = set()
        elif line.startswith("* `-"):
            found[command] |= {word for word in re.split("[ ,]+", line.split("`")[1]) if word.startswith("-")}
    return found


def split(words: Sequence[str], known: Collection[tuple[str, ...]]) -> tuple[tuple[str, ...], list[str]]:
    """The command that the words begin with, and the words after it."""
    rest = [*words[2:]] if words[:1] == ["--root"] else [*words]
    command: tuple[str, ...] = ()
    while rest and (*command, rest[0]) in known:
        command = (*command, rest.pop(0))
    return command, rest


def unknown_to_hubctl(words: Sequence[str], known: dict[tuple[str, ...], set[str]]) -> Iterator[str]:
    """What hubctl would not understand of its words."""
    command, rest = split(words, known)
    is_group = any(other[:-1] == command for other in known if other)
    if is_group and rest and not rest[0].startswith("-"):
        yield f"no command: {rest[0]}"
    yield from (word for word in rest if word.startswith("-") and word.partition("=")[0] not in known[command])


@pytest.mark.parametrize("name", WRITTEN)
def test_every_hubctl_command_that_is_shown_exists_with_its_options(name: str) -> None:
    known = options_of_hubctl()
    assert "--check" in known["setup",]
    shown = PAGES[name].commands("hubctl")
    assert [(words, wrong) for words in shown if (wrong := [*unknown_to_hubctl(words, known)])] == []


@pytest.mark.parametrize("name", WRITTEN)
def test_every_hubctl_command_to_be_typed_has_the_arguments_that_it_wants(name: str) -> None:
    usages = re.findall(r"^\$ hubctl (.*?) \[OPTIONS\](.*)$", REFERENCE.read_text(), re.MULTILINE)
    wanted = {tuple(command.split()): arguments.count("{") for command, arguments in usages}
    assert wanted["config", "set"] == 2
    typed = [
        split(words, wanted.keys() | {command[:1] for command in wanted})
        for words in called("hubctl", PAGES[name].lines)
    ]
    given = [(command, sum(not word.startswith("-") for word in rest)) for command, rest in typed]
    assert [command for command, number in given if number < wanted.get(command, 0)] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_flag_of_the_installer_that_is_shown_is_in_its_help(name: str) -> None:
    helped = (ROOT / "forge/installer/messages/en.sh").read_text().partition("usage) text=")[2]
    known = set(re.findall(r"^  (--?[a-z-]+)", helped, re.MULTILINE))
    assert {"-b", "--uninstall"} <= known
    flags = [word for words in PAGES[name].commands("hub-installer.sh") for word in words if word.startswith("-")]
    assert [flag for flag in flags if flag.partition("=")[0] not in known] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_target_and_variable_of_make_that_is_shown_is_in_the_makefile(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = {*re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()}
    variables = set(re.findall(r"\$\((?:if \$\(|or \$\()?([A-Z]+)", makefile))
    words = [word.strip("[]") for words in PAGES[name].commands("make") for word in words]
    wrong = [word for word in words if word not in known and word.partition("=")[0] not in variables]
    assert wrong == []


def test_every_line_of_the_doctor_has_a_row_with_its_cause_and_its_mend() -> None:
    rows = [row for row in Page(DOCS / "doctor.md").rows if row[0] != "line"]
    told = {doctor_lines.Line(text.strip(), state) for text, state, _ in rows}
    lines = doctor_lines.lines()
    assert len(lines) > 50
    assert sorted(lines - told) == []
    assert sorted(told - lines) == [], "no such line is printed"
    assert [text for text, state, mend in rows if state != "ok" and not mend] == []


def test_every_subject_of_the_doctor_has_a_section() -> None:
    examination = (ROOT / "recipes/hubctl/src/hubctl/doctor/examination.py").read_text()
    subjects = re.findall(r'^    Check\("([^"]+)"', examination, re.MULTILINE)
    assert "kdc" in subjects
    headings = re.findall("^## (.*)$", (DOCS / "doctor.md").read_text(), re.MULTILINE)
    assert headings == ["settings", *subjects]
