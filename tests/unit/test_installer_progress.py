"""What is shown while the installer works."""

import re
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import on_a_terminal, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def test_on_a_terminal_one_line_moves_and_is_wiped(installer: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", str(installer), "-bs", "-p", str(tmp_path / "prefix"), "--log", str(log)]
    code, shown = on_a_terminal(command)
    assert code == 0
    for what in ("checking", "unpacking", "linking"):
        assert f"\r\x1b[K  {what} 100 %" in shown
    assert "%" not in "".join(line.rpartition("\x1b[K")[2] for line in shown.split("\r\n")), "nothing of it stays"
    assert "\x1b" not in log.read_text()


def test_without_a_terminal_there_are_a_few_plain_lines(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix")
    assert not re.search(r"[\r\x1b]", done.stdout)
    assert len(done.stdout.splitlines()) < 25
