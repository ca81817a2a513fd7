"""Where the password must not be found."""

import logging
import threading
from pathlib import Path

import pytest
from kerberos_support import ANYBODY, KRB5, PASSWORD, Login
from tornado import web

pytest_plugins = ["kerberos_support"]


class Watcher(threading.Thread):
    """Reads every process's arguments and environment, over and over."""

    def __init__(self, secret: str, program: bytes) -> None:
        super().__init__()
        self.secret = secret.encode()
        self.program = program
        self.found: set[str] = set()
        self.saw_program = False
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        content = (process / name).read_bytes()
                    except OSError:
                        continue
                    self.saw_program |= name == "cmdline" and self.program in content
                    if self.secret in content:
                        self.found.add(f"{process / name}: {content!r}")


@pytest.mark.parametrize(("service", "program"), [(ANYBODY, b"kinit\0"), (KRB5, b"helpers/pam.py")])
def test_password_is_in_no_arguments_environment_or_log(
    login: Login,
    silent_kdc: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    service: str,
    program: bytes,
) -> None:
    """The KDC never answers, so kinit or PAM holds the password as long as its time limit lets it."""
    login.realm_conf, login.service = silent_kdc, service
    login.traits = {"kerberos_timeout": 3.0, "pam_timeout": 3.0}
    watcher = Watcher(PASSWORD, program)
    watcher.start()
    try:
        with caplog.at_level(logging.DEBUG), pytest.raises(web.HTTPError):
            login()
    finally:
        watcher.over.set()
        watcher.join()
    assert watcher.saw_program
    assert not watcher.found
    printed = capfd.readouterr()
    assert PASSWORD not in caplog.text + printed.out + printed.err


def test_password_is_in_no_log_when_it_is_wrong(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    login.service = ANYBODY
    with caplog.at_level(logging.DEBUG):
        assert login(password="almost-" + PASSWORD) is None
    assert PASSWORD not in caplog.text
