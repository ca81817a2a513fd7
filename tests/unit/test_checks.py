"""`make test`: the suites run in two lanes, whose output is kept apart, and end together."""

import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from forge import checks, interruption
from forge.paths import ROOT
from tests.unit.forge_command import ctrl_c, once_written, start_command

WAITING = """
    import time
    from pathlib import Path

    def wait_for(path):
        deadline = time.monotonic() + 60
        while not Path(path).exists():
            assert time.monotonic() < deadline, path
            time.sleep(0.05)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[str, str], None]:
    """Writes a suite of one made-up test into a checkout."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").touch()
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")

    def write(name: str, body: str) -> None:
        (tmp_path / name).mkdir()
        test = textwrap.dedent(WAITING) + f"\ndef test_{Path(name).name}():\n" + textwrap.indent(body, "    ")
        (tmp_path / name / f"test_{Path(name).name}.py").write_text(test)

    return write


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Stands for our own environment: there is Python in it."""
    (tmp_path / "environment/bin").mkdir(parents=True)
    python = tmp_path / "environment/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path / "environment"


def test_the_lanes_run_at_the_same_time_and_the_output_of_each_is_whole(
    suite: Callable[[str, str], None],
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    meet = "Path('{own}').touch()\nwait_for('{other}')\n"
    suite("tests/unit", meet.format(own="one", other="two"))
    suite("tests/integration", meet.format(own="two", other="one") + "wait_for('last')\n")
    suite("tests/server", "assert False, 'a fault'\n")
    suite("tests/e2e", "pass\n")
    suite("tests/systemd", "Path('last').touch()\n")
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    assert checks._all(environment) == ["tests/server"]
    said = capfd.readouterr().out
    places = [said.index(f"{name}/test_{name.rpartition('/')[2]}.py") for lane in checks.LANES for name in lane]
    assert places == sorted(places)
    assert "a fault" in said


def test_ctrl_c_ends_the_tests_of_both_lanes_which_clean_up(
    suite: Callable[[str, str], None], environment: Path, tmp_path: Path
) -> None:
    work = "Path('{name}').write_text('at work')\ntry:\n    time.sleep(600)\nfinally:\n    Path('{name}').unlink()\n"
    for name in ("unit", "integration"):
        suite(f"tests/{name}", work.format(name=name))
    process = start_command(f"""
        from pathlib import Path
        from forge import checks
        checks.ROOT = Path({str(tmp_path)!r})
        checks._all(Path({str(environment)!r}))
    """)
    for name in ("unit", "integration"):
        once_written(tmp_path / name)
    code, said = ctrl_c(process)
    assert code == interruption.EXIT_CODE, said
    assert not (tmp_path / "unit").exists()
    assert not (tmp_path / "integration").exists()
