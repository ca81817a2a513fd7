"""What a login leaves behind, and who is let in: real KDC, real PAM."""

import asyncio
import grp
import logging
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from jupyterhub_kerberos import KerberosPAMAuthenticator, KerberosSPNEGOAuthenticator
from k5test.realm import MITRealm
from kerberos_support import (
    ANYBODY,
    KRB5,
    LOCKED,
    NO_TICKET,
    OTHER,
    PASSWORD,
    REALM,
    STACK,
    USER,
    Login,
    as_user,
    flags,
    modes,
)
from tornado import web

pytest_plugins = ["kerberos_support"]


def test_login_leaves_a_ticket_that_only_its_user_can_read(login: Login) -> None:
    uid = as_user().uid
    authenticated = login()
    assert authenticated is not None
    assert authenticated["name"] == USER
    assert modes(login.tickets) == (0o711, 0)
    assert modes(login.folder) == (0o700, uid)
    assert modes(login.cache) == (0o600, uid)
    assert [path.name for path in login.folder.iterdir()] == ["krb5cc"]
    assert [path.name for path in login.tickets.iterdir() if path.is_dir()] == [USER]


@pytest.mark.parametrize("service", [KRB5, NO_TICKET])
def test_pam_leaves_no_second_ticket_behind(login: Login, service: str) -> None:
    def caches() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in Path("/tmp").glob("krb5cc*")}

    before, login.service = caches(), service
    assert login() is not None
    assert caches() == before


@pytest.mark.parametrize("service", [KRB5, NO_TICKET])
def test_ticket_is_renewable_and_forwardable(login: Login, kdc: MITRealm, service: str) -> None:
    login.service = service
    login()
    assert {"F", "R"} <= flags(kdc, login.cache)


@pytest.mark.parametrize("service", [KRB5, STACK])
def test_wrong_password_is_refused_by_pam(login: Login, service: str) -> None:
    login.service = service
    assert login(password="wrong") is None
    assert not login.cache.exists()


def test_wrong_password_is_refused_by_kinit_where_pam_accepts_everything(login: Login) -> None:
    login.service = ANYBODY
    assert login(password="wrong") is None
    assert not login.cache.exists()


def test_refused_login_leaves_the_ticket_of_before(login: Login) -> None:
    login()
    before = login.cache.read_bytes()
    login.service = ANYBODY
    assert login(password="wrong") is None
    assert login.cache.read_bytes() == before


def test_password_with_line_break_is_not_taken_for_its_first_line(login: Login) -> None:
    login.service = ANYBODY
    assert login(password=f"{PASSWORD}\nmore") is None


@pytest.mark.parametrize("service", [KRB5, ANYBODY])
def test_password_with_a_zero_byte_is_not_taken_for_what_is_before_it(login: Login, service: str) -> None:
    login.service = service
    assert login(password=f"{PASSWORD}\0more") is None


def test_account_that_pam_refuses_gets_no_ticket(login: Login) -> None:
    login.service = LOCKED
    with pytest.raises(web.HTTPError, match="locked or has expired"):
        login()
    assert not login.folder.exists()


def test_user_outside_of_the_allowed_groups_gets_no_ticket(login: Login) -> None:
    auth = login.authenticator()
    auth.allowed_groups = {"daemon"}
    data = {"username": USER, "password": PASSWORD}
    with pytest.raises(web.HTTPError, match="may not use this server"):
        asyncio.run(auth.get_authenticated_user(None, data))
    assert not login.folder.exists()


def test_only_who_knows_the_password_learns_that_the_account_may_not_log_in(login: Login) -> None:
    login.traits = {"allowed_groups": {"daemon"}}
    assert login(password="wrong") is None


def test_user_without_a_local_account_is_told_so(login: Login, kdc: MITRealm) -> None:
    kdc.run_kadminl(f"addprinc -pw {PASSWORD} stranger@{REALM}")
    login.service = ANYBODY
    with pytest.raises(web.HTTPError, match="no account on this server"):
        login(username="stranger")


def test_members_of_group_jupyterhub_alone_are_let_in_by_default(login: Login) -> None:
    assert login.authenticator().trait_defaults("allowed_groups") == {"jupyterhub"}


@pytest.mark.parametrize("service", [KRB5, STACK, ANYBODY])
def test_expired_password_is_said(login: Login, kdc: MITRealm, service: str, caplog: pytest.LogCaptureFixture) -> None:
    kdc.run_kadminl(f"modprinc -pwexpire yesterday {OTHER}@{REALM}")
    login.service, login.traits = service, {"allowed_groups": {OTHER}}
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(web.HTTPError, match="Your password has expired"):
            login(username=OTHER)
    finally:
        kdc.run_kadminl(f"modprinc -pwexpire never {OTHER}@{REALM}")
    assert OTHER in caplog.text
    assert not (login.tickets / OTHER / "krb5cc").exists()


@pytest.mark.parametrize("service", [KRB5, STACK, ANYBODY])
def test_principal_that_is_locked_is_said(
    login: Login, kdc: MITRealm, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    kdc.run_kadminl(f"modprinc -allow_tix {OTHER}@{REALM}")
    login.service, login.traits = service, {"allowed_groups": {OTHER}}
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(web.HTTPError, match="locked"):
            login(username=OTHER)
    finally:
        kdc.run_kadminl(f"modprinc +allow_tix {OTHER}@{REALM}")
    assert OTHER in caplog.text


def test_account_that_kerberos_does_not_know_is_told_so(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    login.service, login.traits = STACK, {"allowed_groups": {"sys"}}
    with caplog.at_level(logging.WARNING), pytest.raises(web.HTTPError, match="unknown to Kerberos"):
        login(username="sys")
    assert f"sys@{REALM}" in caplog.text


@pytest.mark.parametrize(("group", "admin"), [(OTHER, False), (grp.getgrgid(as_user().gid).gr_name, True)])
def test_members_of_the_admin_group_are_admins(login: Login, group: str, admin: bool) -> None:
    login.traits = {"admin_groups": {group}}
    authenticated = login()
    assert authenticated is not None
    assert authenticated["admin"] is admin


@pytest.mark.parametrize(
    ("name", "kind"), [("kerberos-pam", KerberosPAMAuthenticator), ("kerberos-spnego", KerberosSPNEGOAuthenticator)]
)
def test_hub_finds_the_authenticators_by_their_short_names(name: str, kind: type) -> None:
    (found,) = entry_points(group="jupyterhub.authenticators", name=name)
    assert found.load() is kind
