"""The process that writes the log of a hub without systemd: nothing is lost while the file is put aside."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hubctl import logfile

from tests.waiting import wait_for


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path))
    return tmp_path / "var/log/jupyterhub/jupyterhub.log"


@pytest.fixture
def hub(log: Path) -> Iterator[IO[bytes]]:
    """What a hub would write its log into."""
    writer = logfile.start_writer(log)
    assert writer.stdin
    yield writer.stdin
    writer.stdin.close()
    writer.wait()


def say(hub: IO[bytes], line: str) -> None:
    hub.write(f"{line}\n".encode())
    hub.flush()


def test_lines_are_in_the_file_as_soon_as_they_are_said(log: Path, hub: IO[bytes]) -> None:
    say(hub, "one")
    wait_for("the line", lambda: log.exists() and log.read_text() == "one\n")
    assert log.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("made_anew", [False, True])
def test_the_next_line_is_in_the_new_file_when_somebody_else_has_put_the_old_one_aside(
    log: Path, hub: IO[bytes], made_anew: bool
) -> None:
    aside = log.with_name("aside")
    for number in range(50):
        say(hub, str(number))
        if number == 20:
            wait_for("some lines", lambda: log.exists() and "20" in log.read_text())
            log.rename(aside)
            if made_anew:  # logrotate's `create`
                log.touch()
    wait_for("the last line", lambda: log.exists() and log.read_text().endswith("49\n"))
    assert (aside.read_text() + log.read_text()).split() == [str(number) for number in range(50)]
    assert aside.read_text().split()[-1] == "20"


def test_a_log_that_grows_is_put_aside_while_the_hub_runs_and_five_are_kept(log: Path, hub: IO[bytes]) -> None:
    line = "x" * (logfile.ROTATE_ABOVE // 2)
    for number in range(20):
        say(hub, f"{number} {line}")
    hub.close()
    wait_for("the last line", lambda: log.exists() and log.read_text().startswith("18 "))
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "jupyterhub.log",
        *(f"jupyterhub.log.{number}" for number in range(1, logfile.KEEP + 1)),
    ]


def test_where_logrotate_sees_to_the_log_it_is_left_to_it(tmp_path: Path, log: Path, hub: IO[bytes]) -> None:
    (tmp_path / "etc/logrotate.d").mkdir(parents=True)
    (tmp_path / "etc/logrotate.d/jupyterhub").touch()
    line = "x" * logfile.ROTATE_ABOVE
    for number in range(3):
        say(hub, f"{number} {line}")
    wait_for("the last line", lambda: log.exists() and log.stat().st_size > 3 * logfile.ROTATE_ABOVE)
    assert [path.name for path in log.parent.iterdir()] == ["jupyterhub.log"]


def test_what_is_said_while_the_server_shuts_down_is_written_still(log: Path) -> None:
    writer = logfile.start_writer(log)
    assert writer.stdin
    say(writer.stdin, "one")
    wait_for("the line", log.exists)
    writer.terminate()
    say(writer.stdin, "two")
    writer.stdin.close()
    assert writer.wait(60) == 0
    assert log.read_text() == "one\ntwo\n"


def test_a_log_that_can_not_be_written_does_not_hold_up_who_speaks(log: Path) -> None:
    log.mkdir(parents=True)
    command = [sys.executable, "-m", "hubctl.logfile", str(log)]
    assert subprocess.run(command, input=b"one\n", capture_output=True).returncode == 0
