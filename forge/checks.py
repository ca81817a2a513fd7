"""``make lint`` and ``make test``: every check and test, with what they need set up before and taken down after."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from forge import build, processes
from forge.errors import ForgeError
from forge.paths import ROOT
from forge.progress import say

PYTHON_CODE = ("forge", "post_install", "recipes", "config", "tests", "bench")
TYPED = ("forge", "post_install", "bench", "tests/unit", "tests/integration", "tests/e2e", "tests/systemd")
SERVER_CODE = ("recipes/hubctl/src", "recipes/jupyterhub-kerberos/src")
UNIT_TESTS = "tests/unit"
SERVER_TESTS = "tests/server"

LANES = ((UNIT_TESTS, SERVER_TESTS, "tests/e2e", "tests/systemd"), ("tests/integration",))
"""The suites. Those of a lane run one after the other, the lanes at the same time, since tests mostly wait.

What needs this machine for itself (its /etc, addresses of Docker's bridge, users' servers, all control groups) is in
the first lane.
"""

_IN_MEMORY = ("unshare", "--mount", "sh", "-euc", 'mount -t tmpfs none "$0"; exec env TMPDIR="$0" "$@"')
"""Runs a command with the folder that is named first as its temporary one, in memory.

Hundreds of small installations end in a sync, which waits for all that the other lane writes to the same disk.
"""

_TEARDOWN = 60.0
"""Seconds that interrupted tests have to stop what they have started."""


def lint() -> None:
    """Format, lint, types, shell scripts.

    Raises:
        ForgeError: a check failed; what it found is printed above.
    """
    files = [name for name in _tracked() if (ROOT / name).is_file()]
    python = [sys.executable, "-m"]
    _check("ruff check", *python, "ruff", "check", "--quiet", *PYTHON_CODE)
    _check("ruff format", *python, "ruff", "format", "--quiet", "--check", *PYTHON_CODE)
    _check("mypy", *python, "mypy", "--no-error-summary", *TYPED)
    _check("shellcheck", "shellcheck", *(name for name in files if _is_shell(ROOT / name)))


def test(arguments: Sequence[str]) -> None:
    """Lint, build, then every test; with ``arguments``, only what they select, by pytest's own rules.

    Raises:
        ForgeError: a check or a test failed.
    """
    if not arguments:
        lint()
    build.make_installer()
    with build.test_environment() as environment:
        if not arguments:
            python = ["--python-executable", str(environment / "bin" / "python")]
            mypy = [sys.executable, "-m", "mypy", "--no-error-summary", *python]
            _check("mypy, server", *mypy, *SERVER_CODE)
            # the tests name each other's modules by pytest's way: those beside them are on the search path
            named = ["env", f"MYPYPATH={SERVER_TESTS}:."]
            any_is_fine = ["--explicit-package-bases", "--no-warn-return-any", "--allow-subclassing-any"]
            _check("mypy, server's tests", *named, *mypy, *any_is_fine, SERVER_TESTS)
        with docker_engine():
            failed = _selected(arguments, environment) if arguments else _all(environment)
    if failed:
        raise ForgeError(f"tests failed: {', '.join(failed)}", "What pytest printed above says which and why.")


def _selected(arguments: Sequence[str], environment: Path) -> list[str]:
    """Runs what ``arguments`` of pytest select; names it when it failed."""
    say(f"pytest {' '.join(arguments)}")
    server = any(SERVER_TESTS in argument for argument in arguments)
    with _pytest(arguments, environment if server else None) as running:
        return [SERVER_TESTS if server else "tests"] if running.wait() else []


def _all(environment: Path) -> list[str]:
    """Runs every suite; names those that failed. What the second lane prints comes in one piece, after the first."""
    failed: list[str] = []
    with tempfile.NamedTemporaryFile("w") as kept, Path(kept.name).open("rb") as said, ExitStack() as stack:
        first, second = _lane(LANES[0], environment, failed), _lane(LANES[1], environment, failed, kept)
        stack.callback(shutil.copyfileobj, said, sys.stdout.buffer)
        for lane in (first, second):
            stack.callback(lane.close)
        running = [first, second]
        while running:
            time.sleep(0.5)
            running = [lane for lane in running if next(lane, False)]
            if first not in running:
                shutil.copyfileobj(said, sys.stdout.buffer)
                sys.stdout.flush()
    return failed


def _lane(
    suites: Sequence[str], environment: Path, failed: list[str], output: IO[str] | None = None
) -> Generator[bool, None, None]:
    """Runs ``suites``, one after the other, and yields for as long as one runs; adds those that fail to ``failed``."""
    for suite in suites:
        print(f"pytest {suite}", file=output or sys.stderr, flush=True)
        python = environment if suite == SERVER_TESTS else None
        arguments, wrapper = ["--no-skips", suite], list[str]()
        with tempfile.TemporaryDirectory(prefix="hubforge-") as folder:
            if suite == UNIT_TESTS and os.geteuid() == 0:
                arguments += ["-o", "tmp_path_retention_policy=failed"]
                wrapper = [*_IN_MEMORY, folder]
            with _pytest(arguments, python, output, wrapper) as running:
                while running.poll() is None:
                    yield True
        if running.returncode:
            failed.append(suite)


@contextmanager
def _pytest(
    arguments: Sequence[str], environment: Path | None, output: IO[str] | None = None, wrapper: Sequence[str] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """pytest as it runs: in our own ``environment``, as tests of the server need it, else on the build machine."""
    python = environment / "bin" / "python" if environment else Path(sys.executable)
    command = [*wrapper, str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    search_path = f"{python.parent}:{os.environ['PATH']}"
    variables = {**os.environ, "PATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"}
    errors = subprocess.STDOUT if output else None
    started = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=errors, start_new_session=True)
    with processes.ending(started, grace=_TEARDOWN, sign=signal.SIGINT):
        yield started


@contextmanager
def docker_engine(seconds: float = 60) -> Iterator[None]:
    """A Docker Engine for the block: the one that answers, else one of our own, stopped at the end."""
    if _docker_answers():
        yield
        return
    if os.geteuid() != 0:
        raise ForgeError("no Docker Engine answers, and only root can start one", "Start dockerd, or run this as root.")
    # In a folder of its own, the engine does not stumble over what a killed one has left in /run.
    with tempfile.TemporaryDirectory(prefix="hubforge-", dir="/run", ignore_cleanup_errors=True) as state:
        command = ["dockerd", f"--pidfile={state}/pid", f"--exec-root={state}/exec"]
        log = Path(state, "log")
        with log.open("w") as output:
            engine = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            deadline = time.monotonic() + seconds
            while not _docker_answers():
                if engine.poll() is not None or time.monotonic() > deadline:
                    raise ForgeError(f"no Docker Engine could be started:\n{log.read_text()[-2000:]}")
                time.sleep(0.5)
            yield
        finally:
            engine.terminate()
            engine.wait()


def _docker_answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def _tracked() -> list[str]:
    """The files of the checkout, as git knows them; whoever owns the checkout, since its code runs here anyway."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise ForgeError(f"git can't list the files of {ROOT}:\n{listed.stderr.strip()}", "Work in a git clone.")
    return listed.stdout.split("\0")[:-1]


def _check(name: str, *command: str) -> None:
    say(name)
    if processes.run(command, cwd=ROOT).returncode:
        raise ForgeError(f"{name} found faults", "They are listed above.")


def _is_shell(path: Path) -> bool:
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"bash"))
