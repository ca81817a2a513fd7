"""KDCs that are dead, silent, false or late."""

import asyncio
import contextlib
import logging
import shutil
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from k5test.realm import MITRealm
from kerberos_support import ANYBODY, KRB5, PASSWORD, REALM, STACK, USER, Login, clock_of_kdc, krb5_conf
from tornado import web

pytest_plugins = ["kerberos_support"]


@pytest.mark.parametrize("service", [KRB5, STACK, ANYBODY])
def test_dead_kdc_gives_a_sentence_to_the_user_and_the_realm_to_the_log(
    login: Login, dead_kdc: str, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    login.realm_conf, login.service = dead_kdc, service
    with pytest.raises(web.HTTPError, match="cannot be reached") as error, caplog.at_level(logging.WARNING):
        login()
    assert error.value.status_code == 503
    assert REALM in caplog.text


def test_silent_kdc_gives_the_sentence_when_the_time_is_up(
    login: Login, silent_kdc: str, caplog: pytest.LogCaptureFixture
) -> None:
    login.realm_conf, login.service, login.traits = silent_kdc, ANYBODY, {"kerberos_timeout": 1.0}
    with caplog.at_level(logging.ERROR), pytest.raises(web.HTTPError, match="cannot be reached"):
        login()
    assert f"no KDC of {REALM} answered within 1 s" in caplog.text
    assert list(login.folder.iterdir()) == []


def test_fake_kdc_is_refused_whatever_pam_says(login: Login, fake_kdc: MITRealm) -> None:
    login.realm_conf, login.service = fake_kdc.env["KRB5_CONFIG"], ANYBODY
    with pytest.raises(web.HTTPError, match="could not be verified"):
        login(password="evil")
    assert not login.cache.exists()


def test_without_a_keytab_a_fake_kdc_gets_through_and_a_warning_says_so(
    login: Login, fake_kdc: MITRealm, caplog: pytest.LogCaptureFixture
) -> None:
    login.realm_conf, login.service, login.keytab = fake_kdc.env["KRB5_CONFIG"], ANYBODY, "/none"
    with caplog.at_level(logging.WARNING):
        assert login(password="evil") is not None
    assert "CANNOT BE VERIFIED" in caplog.text


def test_unusable_keytab_lets_nobody_in(login: Login, tmp_path: Path) -> None:
    broken = tmp_path / "keytab"
    broken.write_bytes(b"no keytab")
    login.keytab = str(broken)
    with pytest.raises(web.HTTPError, match="Please tell the administrator"):
        login()


def test_keytab_that_goes_away_does_not_switch_the_check_off(login: Login, tmp_path: Path) -> None:
    keytab = tmp_path / "keytab"
    shutil.copy(login.keytab, keytab)
    login.keytab = str(keytab)
    auth = login.authenticator()
    keytab.unlink()
    with pytest.raises(web.HTTPError, match="Please tell the administrator"):
        asyncio.run(auth.get_authenticated_user(None, {"username": USER, "password": PASSWORD}))
    assert not login.cache.exists()


def test_fake_kdc_is_refused_where_pam_has_got_the_ticket_from_it(login: Login, fake_kdc: MITRealm) -> None:
    login.realm_conf, login.service = fake_kdc.env["KRB5_CONFIG"], KRB5
    with pytest.raises(web.HTTPError, match="could not be verified"):
        login(password="evil")
    assert not login.cache.exists()


def test_kdc_that_finds_the_clock_wrong_is_said(
    login: Login, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A KDC that answers everything with KRB_AP_ERR_SKEW."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kdc:
        kdc.bind(("127.0.0.1", 0))
        threading.Thread(target=answer_skew, args=(kdc,), daemon=True).start()
        login.realm_conf = str(krb5_conf(tmp_path_factory, kdc.getsockname()[1]))
        login.service = ANYBODY
        with caplog.at_level(logging.ERROR), pytest.raises(web.HTTPError, match="clock of this server is wrong"):
            login()
    assert REALM in caplog.text


def answer_skew(kdc: socket.socket) -> None:
    """RFC 4120, 5.9.1: KRB-ERROR with the KDC's time, an hour ahead of ours, and error 37."""

    def der(tag: int, content: bytes) -> bytes:
        length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
        return bytes([tag]) + length + content

    time = f"{datetime.now(UTC) + timedelta(hours=1):%Y%m%d%H%M%SZ}".encode()
    realm = der(0x1B, REALM.encode())
    names = b"".join(der(0x1B, part) for part in (b"krbtgt", REALM.encode()))
    name = der(0x30, der(0xA0, der(2, b"\2")) + der(0xA1, der(0x30, names)))
    fields = {0: der(2, b"\5"), 1: der(2, b"\36"), 4: der(0x18, time), 5: der(2, b"\0"), 6: der(2, b"\45")}
    fields |= {9: realm, 10: name}
    answer = der(0x7E, der(0x30, b"".join(der(0xA0 + tag, content) for tag, content in fields.items())))
    with contextlib.suppress(OSError):  # the test has closed it
        while True:
            _, client = kdc.recvfrom(65536)
            kdc.sendto(answer, client)


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
@pytest.mark.parametrize("service", [KRB5, STACK, ANYBODY])
def test_clock_that_kinit_corrects_is_said_since_java_would_not(
    login: Login, kdc: MITRealm, caplog: pytest.LogCaptureFixture, offset: str, service: str
) -> None:
    """A KDC that lives in another hour."""
    login.service = service
    with clock_of_kdc(kdc, offset), caplog.at_level(logging.ERROR), pytest.raises(web.HTTPError, match="clock of this"):
        login()
    assert "Clock skew" in caplog.text
    assert REALM in caplog.text
    assert not login.cache.exists()
    assert login() is not None


def test_realm_comes_from_krb5_conf(login: Login) -> None:
    assert login.authenticator().realm == REALM


def test_missing_realm_stops_the_start(login: Login, tmp_path: Path) -> None:
    empty = tmp_path / "krb5.conf"
    empty.write_text("[libdefaults]\n")
    login.realm_conf = str(empty)
    with pytest.raises(ValueError, match="default_realm"):
        login.authenticator()
