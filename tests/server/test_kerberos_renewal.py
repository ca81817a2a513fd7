"""Tickets that are renewed, and users who are asked for the password when they can't be."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.handlers.base import BaseHandler
from jupyterhub_kerberos import programs, renewal
from jupyterhub_kerberos.tickets import Ticket
from k5test.realm import MITRealm
from kerberos_support import PASSWORD, REALM, Clock, Login, as_user, modes, refresh

pytest_plugins = ["kerberos_support"]


def test_young_ticket_is_left_alone(login: Login) -> None:
    login()
    before = login.cache.stat()
    assert refresh(login.authenticator()) is True
    assert login.cache.stat().st_ino == before.st_ino


def test_ticket_is_renewed_before_half_of_its_time_is_gone(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    auth = login.authenticator()
    before = asyncio.run(auth.tickets.status(as_user()))
    inode = login.cache.stat().st_ino
    monkeypatch.setattr(renewal, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=4))
    assert refresh(auth) is True
    after = asyncio.run(auth.tickets.status(as_user()))
    assert before is not None
    assert after is not None
    assert login.cache.stat().st_ino != inode
    assert after.end >= before.end
    assert modes(login.cache) == (0o600, as_user().uid)
    assert [path.name for path in login.folder.iterdir()] == ["krb5cc"]


def test_ticket_that_is_over_sends_its_user_to_the_login(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    monkeypatch.setattr(renewal, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=11))
    assert refresh(login.authenticator()) is False


def test_missing_ticket_sends_its_user_to_the_login(login: Login) -> None:
    assert refresh(login.authenticator()) is False


def test_dead_kdc_throws_nobody_out_whose_ticket_is_valid(
    login: Login, dead_kdc: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    login()
    before = login.cache.read_bytes()
    login.realm_conf = dead_kdc
    monkeypatch.setattr(renewal, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=6))
    with caplog.at_level(logging.WARNING):
        assert refresh(login.authenticator()) is True
    assert "was not renewed" in caplog.text
    assert login.cache.read_bytes() == before


def test_refused_refresh_is_a_redirect_not_a_traceback(login: Login) -> None:
    """JupyterHub 6.1 reads an attribute then that it sets only on requests with a token."""
    login.authenticator()
    assert BaseHandler._token_authenticated is False


@pytest.mark.parametrize(("hours", "due"), [(3, False), (4, True)])
def test_renewal_is_due_before_half_of_the_lifetime(hours: int, due: bool) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ticket = Ticket(start, start + timedelta(hours=10), start + timedelta(days=7))
    assert ticket.is_due(start + timedelta(hours=hours)) is due


def test_ticket_at_the_end_of_its_renewable_life_is_not_renewed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(hours=10)
    assert Ticket(start, end, end).is_due(end - timedelta(minutes=1)) is False


def test_ticket_that_ends_soon_and_cannot_be_renewed_is_said(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login.traits = {"renewable_lifetime": "1h", "ticket_lifetime": "10h"}
    login()
    monkeypatch.setattr(renewal, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=9, minutes=50))
    page = SimpleNamespace()
    assert refresh(login.authenticator(), page) is False
    assert "ends soon" in page.ticket_notice[1]


def test_ticket_that_the_kdc_will_not_renew_is_said_while_it_is_good(
    login: Login, kdc: MITRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    login()
    auth = login.authenticator()
    monkeypatch.setattr(renewal, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=4))
    kdc.run_kadminl(f"cpw -randkey krbtgt/{REALM}@{REALM}")  # as after a KDC was made anew
    assert refresh(auth) is True
    page = SimpleNamespace()
    assert refresh(auth, page) is False
    assert "can't be renewed any more" in page.ticket_notice[1]
    assert login.cache.exists()
    login()
    assert refresh(auth) is True


def test_renewal_does_not_undo_a_login_that_came_meanwhile(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    office = login.authenticator().tickets
    ask, newest = programs.run, []

    async def login_meanwhile(*command: str, **options: Any) -> programs.Result:
        result = await ask(*command, **options)
        if command[:2] == ("kinit", "-R"):
            await office.obtain(as_user(), PASSWORD)
            newest.append(login.cache.read_bytes())
        return result

    monkeypatch.setattr(programs, "run", login_meanwhile)
    asyncio.run(office.renew(as_user()))
    assert [login.cache.read_bytes()] == newest


def test_renewal_does_not_bring_back_a_ticket_that_was_destroyed(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    login()
    office = login.authenticator().tickets
    ask = programs.run

    async def logout_meanwhile(*command: str, **options: Any) -> programs.Result:
        result = await ask(*command, **options)
        if command[:2] == ("kinit", "-R"):
            await office.destroy(as_user())
        return result

    monkeypatch.setattr(programs, "run", logout_meanwhile)
    asyncio.run(office.renew(as_user()))
    assert list(login.folder.iterdir()) == []
