"""For every suite: a full run counts a skipped test as a failure, since its machine has everything that tests need."""

import shutil
import signal
from collections.abc import Iterable

import pytest

# What runs in the background or under nohup ignores these, and so would the programs that tests send them to. A
# handler that does nothing leaves it so for pytest alone: no program inherits it.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped")
    parser.addoption("--pictures", metavar="FOLDER", help="keep pictures of the pages there")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs conda's constructor where there is none: no registry that we may use holds it."""
    needing = [item for item in items if item.get_closest_marker("constructor")]
    if needing and not shutil.which("constructor"):
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out: Iterable[pytest.Item] = (
        [] if shutil.which("constructor") else terminalreporter.stats.get("deselected", [])
    )
    if needing := [item for item in left_out if item.get_closest_marker("constructor")]:
        terminalreporter.write_line(
            f"NOT RUN, for want of conda's constructor on PATH: {len(needing)} tests of the installer that it makes of "
            "construct.yaml"
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, which this run does not allow", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
