"""The installer's command line: every flag, wrong usage, and what -h says of them."""

import re
from pathlib import Path

import pytest

from forge.installer.assemble import FOLDER
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def flags_of_the_parser() -> set[str]:
    text = (FOLDER / "header/arguments.sh").read_text()
    patterns = re.findall(r"^        ((?:-[\w-]+(?: \| )?)+)\)", text, re.MULTILINE)
    return {flag for pattern in patterns for flag in pattern.split(" | ")} - {"--help"}


def variables_of_the_header() -> set[str]:
    return {name for path in FOLDER.glob("header/*.sh") for name in re.findall(r"\$\{([A-Z_]+):-", path.read_text())}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("language", ["C", "ru_RU.UTF-8"])
def test_h_names_every_flag_variable_and_exit_code(installer: Path, shell: str, language: str) -> None:
    shown = run(installer, "-h", shell=shell, LC_ALL=language)
    assert shown.returncode == 0
    named = set(re.findall(r"^  (-[\w-]+)", shown.stdout, re.MULTILINE))
    assert named == flags_of_the_parser()
    assert {name for name in variables_of_the_header() if name not in shown.stdout} == set()
    assert "/opt/miniconda3" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines()[-6:]] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "arguments",
    [
        *(["-x"], ["-bx"], ["--lists"], ["prefix"], ["-p"], ["-p", ""], ["--extract-channel"], ["--extract-channel="]),
        *(["--log"], ["--log="], ["--list", "--sbom"], ["--check", "--extract-channel", "/nowhere"]),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_wrong_usage_ends_in_2(installer: Path, arguments: list[str], shell: str) -> None:
    done = run(installer, *arguments, shell=shell)
    assert done.returncode == 2
    assert "-h" in done.stderr


def test_flags_may_be_joined_and_a_value_may_follow_at_once(installer: Path, tmp_path: Path) -> None:
    assert run(installer, f"-bskmp{tmp_path}/one", f"--log={tmp_path}/log").returncode == 0
    assert (tmp_path / "one/.hubforge/installed.json").exists()
    assert (tmp_path / "log").exists()
