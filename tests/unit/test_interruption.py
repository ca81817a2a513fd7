"""Ctrl-C and a polite kill, at work of every kind: one line, soon, and nothing half-done or running left behind."""

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from forge import interruption, processes
from tests.unit.forge_command import ctrl_c, once_written, start_command, start_python
from tests.unit.sources_mirrors import use_pip_index
from tests.waiting import is_running

ONE_LINE = "interrupted: the same command goes on from here\n"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("sign", SIGNALS)
def test_what_other_programs_have_started_ends_too(sign: signal.Signals, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = start_command(f"""
        from forge import processes
        processes.run(["sh", "-c", "sleep 600 & echo $$ $! > {pids}; wait"])
    """)
    running = [int(pid) for pid in once_written(pids).split()]
    assert ctrl_c(process, sign) == (interruption.EXIT_CODE, ONE_LINE)
    assert not any(map(is_running, running))


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    process = start_command(f"""
        from forge import processes
        processes.run(["sh", "-c", "trap '' TERM; echo $$ > {pid}; while :; do sleep 1; done"])
    """)
    running = int(once_written(pid))
    assert ctrl_c(process) == (interruption.EXIT_CODE, ONE_LINE)
    assert not is_running(running)


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError], ids=["before", "meanwhile"])
def test_what_ends_by_itself_while_it_is_looked_at_is_no_error(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def gone(_: Path) -> str:
        raise error

    with monkeypatch.context() as proc:
        proc.setattr(Path, "read_text", gone)
        processes.end_all()
        assert not processes._is_alive(1)


def test_a_kill_of_the_build_tool_alone_ends_programs_of_its_threads(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    process = start_command(f"""
        import threading
        from forge import processes
        from forge.sources.parallel import each
        each(lambda _: processes.run(["sh", "-c", "echo $$ > {pid}; sleep 600"]), [1], 1, threading.Event())
    """)
    running = int(once_written(pid))
    process.terminate()
    assert process.communicate(timeout=60)[1] == ONE_LINE
    assert process.returncode == interruption.EXIT_CODE
    assert not is_running(running)


def test_a_half_written_file_is_gone_also_where_its_writer_still_waits(tmp_path: Path) -> None:
    written = tmp_path / "written"
    process = start_command(f"""
        import threading, time
        from pathlib import Path
        from forge.files import replacing
        from forge.sources.parallel import each

        def write(name):
            with replacing(Path({str(tmp_path)!r}, "out", name)) as temporary:
                temporary.write_text("half")
                Path({str(written)!r}).write_text("yes")
                time.sleep(600)

        each(write, ["package.conda"], 1, threading.Event())
    """)
    once_written(written)
    assert ctrl_c(process) == (interruption.EXIT_CODE, ONE_LINE)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_download_from_a_mirror_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        use_pip_index(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        process = start_command("""
            from forge.sources import pypi
            pypi.fetch([pypi.Pin("demo", "1.0", frozenset({"aa"}))], "fetch")
        """)
        connection, _ = server.accept()
        with connection:
            code, said = ctrl_c(process)
    assert (code, said) == (interruption.EXIT_CODE, f"fetch: 1\n{ONE_LINE}")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_interruption_while_the_command_still_loads_is_one_line_too(tmp_path: Path) -> None:
    loading = tmp_path / "loading"
    (tmp_path / "typer.py").write_text(
        f"import pathlib, time\npathlib.Path({str(loading)!r}).write_text('yes')\ntime.sleep(600)\n"
    )
    process = start_python(
        f"import runpy, sys\nsys.path.insert(0, {str(tmp_path)!r})\nrunpy.run_module('forge', run_name='__main__')\n"
    )
    once_written(loading)
    assert ctrl_c(process) == (interruption.EXIT_CODE, ONE_LINE)


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    started, end = tmp_path / "started", tmp_path / "end"
    process = start_command(
        f"""
        import time
        from pathlib import Path
        Path({str(started)!r}).write_text("yes")
        while not Path({str(end)!r}).exists():
            time.sleep(0.05)
        """,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup does
    )
    once_written(started)
    process.send_signal(signal.SIGHUP)
    end.touch()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("sign", SIGNALS)
def test_the_installation_of_the_tools_ends_with_all_it_has_started(
    sign: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        use_pip_index(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        process = subprocess.Popen(
            ["sh", "forge/bootstrap.sh", "lock"], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1 << 16)
            code, said = ctrl_c(process, sign)
            assert connection.recv(1) == b""  # pip is gone
    tools = next((tmp_path / "cache/hubforge/tools").glob("py*"))
    assert (code, said) == (interruption.EXIT_CODE, f"Installing the build tools into {tools}\n{ONE_LINE}")
    assert not (tools / "complete").exists()
    assert list((tmp_path / "tmp").iterdir()) == []
