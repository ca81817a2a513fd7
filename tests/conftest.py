"""For every suite: a full run counts a skipped test as a failure, since its machine has everything that tests need."""

import signal

import pytest

# What a shell has put into the background ignores ctrl-C, and so do its children: tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, which this run does not allow", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
