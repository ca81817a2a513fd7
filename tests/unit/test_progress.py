"""What long steps show: on a terminal, and in a log."""

import os
import pty
import re
import subprocess
from functools import partial
from pathlib import Path

from tests.unit.forge_command import start_python
from tests.waiting import wait_for

WHEELS = """
from forge.progress import Step
Step.slow = {slow}
with Step("Wheels to packages", 3) as step:
    for name in ("numpy", "pandas", "pyarrow"):
        step.now(name)
        step.done(name)
        {then}
"""


def logged(folder: Path, then: str = "pass", slow: float = 1000) -> list[str]:
    """The lines of the step in a log, without how long things took."""
    with (folder / "log").open("w") as log:
        start_python(WHEELS.format(then=then, slow=slow), stderr=log).wait()
    text = (folder / "log").read_text()
    assert "\x1b" not in text and "\r" not in text
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text).splitlines()


def test_in_a_log_a_step_is_its_beginning_and_its_end(tmp_path: Path) -> None:
    assert logged(tmp_path) == ["Wheels to packages: 3", "Wheels to packages: 3 of 3 done in N s"]


def test_in_a_log_a_long_step_says_how_far_it_is(tmp_path: Path) -> None:
    assert logged(tmp_path, slow=-1) == [
        "Wheels to packages: 3",
        "Wheels to packages: 1 of 3, N s: numpy",
        "Wheels to packages: 2 of 3, N s: pandas",
        "Wheels to packages: 3 of 3, N s: pyarrow",
        "Wheels to packages: 3 of 3 done in N s",
    ]


def test_a_step_that_fails_says_where_it_stopped(tmp_path: Path) -> None:
    assert "Wheels to packages: 1 of 3 stopped in N s" in logged(tmp_path, then="raise SystemExit(1)")


def test_on_a_terminal_one_line_moves_with_what_how_many_and_how_long() -> None:
    terminal, other_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = start_python(
        WHEELS.format(then="input()", slow=0), stdin=subprocess.PIPE, stderr=other_end, env=environment
    )
    os.close(other_end)
    assert process.stdin
    shown = ""

    def shows(count: str) -> bool:
        nonlocal shown
        shown += read(terminal)
        return count in shown

    for count in ("1/3", "2/3", "3/3"):
        wait_for(count, partial(shows, count), 60, lambda: shown)
        print(file=process.stdin, flush=True)
    while chunk := read(terminal):
        shown += chunk
    os.close(terminal)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    moments = [line for line in re.split(r"[\r\n]+", text) if re.search(r"Wheels to packages .* 0:00:\d\d", line)]
    assert {count for line in moments for count in re.findall(r"\d/3", line)} >= {"1/3", "3/3"}
    assert any("pandas" in line for line in moments)
    assert re.search(r"Wheels to packages: 3 of 3 done in \S+ s", text)
    assert ", 0 s: numpy" not in text


def read(terminal: int) -> str:
    """What has come; nothing when the other end is closed."""
    try:
        return os.read(terminal, 65536).decode()
    except OSError:
        return ""
