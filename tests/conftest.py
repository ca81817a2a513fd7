"""For every suite: a full run counts a skipped test as a failure, since its machine has everything that tests need."""

import signal

import pytest

# What runs in the background or under nohup ignores these, and so would the programs that tests send them to. A
# handler that does nothing leaves it so for pytest alone: no program inherits it.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, which this run does not allow", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
