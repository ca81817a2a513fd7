"""Local accounts that may not log in, whatever the KDC says: PAM's own modules look at a shadow file of the test's."""

import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kerberos_support import KRB5, PASSWORD, USER, Login
from tornado import web

pytest_plugins = ["kerberos_support"]

LOCAL, MIXED = "hubforge-test-local", "hubforge-test-mixed"
SERVICES = {
    LOCAL: "auth required pam_unix.so\naccount required pam_unix.so\n",
    MIXED: "auth required pam_krb5.so minimum_uid=1\naccount required pam_unix.so\n",
}
"""The host's own passwords and accounts; the domain's passwords with the host's accounts."""

DAY = int(time.time()) // 86400
"""Shadow's dates are in days since 1970 (shadow(5))."""

Shadow = Callable[[str, str], None]


@pytest.fixture
def shadow(login: Login, tmp_path: Path) -> Iterator[Shadow]:
    """Writes the user's line: what is before the password, and the fields after it. The host's own file is not touched.

    Fields: last change, minimum, maximum, warning, inactive, expires.
    """
    copy = tmp_path / "shadow"
    copy.write_text(Path("/etc/shadow").read_text())
    copy.chmod(0o600)
    hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True)
    for name, lines in SERVICES.items():
        Path("/etc/pam.d", name).write_text(lines)

    def write(before: str, fields: str) -> None:
        others = [line for line in copy.read_text().splitlines() if not line.startswith(f"{USER}:")]
        copy.write_text("\n".join([*others, f"{USER}:{before}{hashed.stdout.strip()}:{fields}"]) + "\n")

    subprocess.run(["mount", "--bind", str(copy), "/etc/shadow"], check=True)
    yield write
    subprocess.run(["umount", "/etc/shadow"], check=True)
    for name in SERVICES:
        Path("/etc/pam.d", name).unlink()


OPEN = f"{DAY - 10}:0:99999:7:::"
EXPIRED_ACCOUNT = f"{DAY - 10}:0:99999:7::{DAY - 1}:"
EXPIRED_PASSWORD = f"{DAY - 100}:0:30:7:::"
MUST_CHANGE = "0:0:99999:7:::"
INACTIVE = f"{DAY - 100}:0:30:7:10::"


@pytest.mark.parametrize("service", [LOCAL, MIXED])
def test_open_account_is_let_in(login: Login, shadow: Shadow, service: str) -> None:
    login.service = service
    shadow("", OPEN)
    assert login() is not None


@pytest.mark.parametrize("service", [LOCAL, MIXED])
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (EXPIRED_ACCOUNT, "locked or has expired"),  # chage --expiredate
        (EXPIRED_PASSWORD, "Your password has expired"),  # chage --maxdays
        (MUST_CHANGE, "Your password has expired"),  # chage --lastday 0
        (INACTIVE, "Your password has expired"),  # chage --inactive
    ],
    ids=["account", "password", "must change", "inactive"],
)
def test_account_that_has_ended_is_said(
    login: Login, shadow: Shadow, caplog: pytest.LogCaptureFixture, service: str, fields: str, sentence: str
) -> None:
    login.service = service
    shadow("", fields)
    with caplog.at_level(logging.WARNING), pytest.raises(web.HTTPError, match=sentence) as error:
        login()
    assert error.value.status_code == 403
    assert f"PAM refused {USER} (account" in caplog.text
    assert PASSWORD not in caplog.text
    assert not login.cache.exists()


def test_password_that_is_locked_is_refused_as_a_wrong_one(
    login: Login, shadow: Shadow, caplog: pytest.LogCaptureFixture
) -> None:
    """`passwd --lock`: the host tells nobody that it is not just wrong."""
    login.service = LOCAL
    shadow("!", OPEN)
    with caplog.at_level(logging.WARNING):
        assert login() is None
    assert f"PAM refused {USER}" in caplog.text
    assert not login.cache.exists()


def test_password_that_is_locked_does_not_lock_the_account(login: Login, shadow: Shadow) -> None:
    """The domain's password still counts (passwd(1) says so of `--lock`)."""
    login.service = MIXED
    shadow("!", OPEN)
    assert login() is not None


def test_refused_account_loses_no_ticket_of_before(login: Login, shadow: Shadow) -> None:
    login.service = KRB5
    assert login() is not None
    before = login.cache.read_bytes()
    login.service = MIXED
    shadow("", EXPIRED_ACCOUNT)
    with pytest.raises(web.HTTPError):
        login()
    assert login.cache.read_bytes() == before
