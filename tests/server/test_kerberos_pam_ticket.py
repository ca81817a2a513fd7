"""Tickets that PAM's own modules have got: they are used, and nothing of them is left behind."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from k5test.realm import MITRealm
from kerberos_support import ANYBODY, KRB5, NO_TICKET, OTHER, PASSWORD, REALM, USER, Login, as_user, modes

pytest_plugins = ["kerberos_support"]

MADE_BEFORE = "hubforge-test-made-before"


def tickets_given(kdc: MITRealm) -> int:
    """How many ticket-granting tickets the KDC has given away, by its log."""
    lines = Path(kdc.tmpdir, "kdc.log").read_text().splitlines()
    return sum("AS_REQ" in line and "ISSUE" in line for line in lines)


@pytest.mark.parametrize(("service", "given"), [(KRB5, 1), (NO_TICKET, 2)])
def test_ticket_of_pam_krb5_is_used_not_a_second_one(login: Login, kdc: MITRealm, service: str, given: int) -> None:
    login.service = service
    before = tickets_given(kdc)
    assert login() is not None
    assert tickets_given(kdc) == before + given
    assert modes(login.cache) == (0o600, as_user().uid)


@pytest.fixture
def made_before(kdc: MITRealm, pam_services: None) -> Iterator[Path]:
    """Where a PAM service says that the user's tickets are: of another type, made by another process, as SSSD does."""
    folder = Path(kdc.tmpdir, "made-before")
    folder.mkdir()
    folder.chmod(0o777)
    settings = Path(kdc.tmpdir, "pam_env.conf")
    settings.write_text(f"KRB5CCNAME DEFAULT=DIR:{folder}/{USER}\n")
    service = Path("/etc/pam.d", MADE_BEFORE)
    service.write_text(
        f"auth required pam_permit.so\nauth required pam_env.so conffile={settings} readenv=0\n"
        "account required pam_permit.so\n"
    )
    yield folder / USER
    service.unlink()
    subprocess.run(["rm", "-r", folder], check=True)


def make_ticket(kdc: MITRealm, folder: Path, principal: str) -> None:
    account = as_user()
    script = f"umask 077; mkdir {folder}; kinit -c DIR:{folder} {principal}@{REALM}"
    subprocess.run(
        ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "sh", "-ec", script],
        input=f"{PASSWORD}\n",
        text=True,
        check=True,
        env=kdc.env,
        stdout=subprocess.DEVNULL,
    )


def test_ticket_that_another_program_keeps_for_pam_is_copied(login: Login, kdc: MITRealm, made_before: Path) -> None:
    make_ticket(kdc, made_before, USER)
    login.service = MADE_BEFORE
    before = tickets_given(kdc)
    assert login() is not None
    assert tickets_given(kdc) == before
    assert login.cache.read_bytes()[:1] == b"\5"
    assert made_before.exists()


def test_ticket_of_somebody_else_is_not_taken_for_the_users(
    login: Login, kdc: MITRealm, made_before: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_ticket(kdc, made_before, OTHER)
    login.service = MADE_BEFORE
    with caplog.at_level(logging.WARNING):
        assert login() is not None
    assert "holds no ticket of" in caplog.text
    shown = kdc.run(["klist", "-c", str(login.cache)]).decode()
    assert f"Default principal: {USER}@{REALM}" in shown


def test_ticket_that_pam_names_but_nobody_made_is_got_by_kinit(login: Login, made_before: Path) -> None:
    login.service = MADE_BEFORE
    assert login(password="wrong") is None
    assert login() is not None


def test_no_ticket_of_pam_is_used_where_pam_makes_none(login: Login, kdc: MITRealm) -> None:
    login.service = ANYBODY
    before = tickets_given(kdc)
    assert login() is not None
    assert tickets_given(kdc) == before + 1
