"""Logins that wait for a KDC or for PAM hold up nobody but themselves."""

import asyncio
import contextlib
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from jupyterhub_kerberos import authenticator
from k5test.realm import MITRealm
from kerberos_hub import Browser, Hub, wait_until
from kerberos_support import ANYBODY, KRB5, OTHER, PASSWORD, REALM, USER, Login, silence
from tornado import web

pytest_plugins = ["kerberos_support", "kerberos_hub"]

LOGINS = 20
PAGES = 50


@pytest.fixture
def silent(kdc: MITRealm) -> Iterator[None]:
    """The module's KDC takes every packet and answers none, until the test's end."""
    kdc.stop_kdc()
    with silence(kdc.portbase):
        yield
    kdc.start_kdc()


def pages(browser: Browser) -> list[float]:
    """How long the pages of somebody who is in take."""
    seconds = []
    for _ in range(PAGES):
        start = time.monotonic()
        assert browser.open("home").status_code == 200
        seconds.append(time.monotonic() - start)
    return seconds


@pytest.mark.parametrize("service", [ANYBODY, KRB5])
def test_20_logins_at_a_silent_kdc_hold_up_nobody(
    make_hub: Callable[..., Hub], kdc: MITRealm, record_property: Callable[[str, object], None], service: str
) -> None:
    """No page of those who are in, nor the first login after the KDC is back."""
    hub = make_hub(service=service, kerberos_timeout=60.0).start()
    inside = Browser(hub)
    assert inside.login().status_code == 302
    usual = pages(inside)
    browsers = [Browser(hub) for _ in range(LOGINS)]
    kdc.stop_kdc()
    try:
        with ThreadPoolExecutor(LOGINS) as pool:
            with silence(kdc.portbase):
                waiting: list[Future[object]] = [pool.submit(browser.login) for browser in browsers]
                wait_until(lambda: processes(hub) >= LOGINS, f"{LOGINS} logins that wait", lambda: hub.log)
                assert traces(hub, PASSWORD) == []
                slowed = pages(inside)
                assert not any(future.done() for future in waiting)
            kdc.start_kdc()
            assert Browser(hub).login(username=OTHER).status_code == 302
            assert [future.result().status_code for future in waiting] == [302] * LOGINS  # type: ignore[attr-defined]
    finally:
        hub.stop()
    for name, seconds in (("usual", usual), ("with logins waiting", slowed)):
        record_property(name, statistics.median(seconds))
        print(f"/hub/home {name}: median {statistics.median(seconds) * 1000:.1f} ms, max {max(seconds) * 1000:.1f} ms")


def traces(hub: Hub, secret: str) -> list[Path]:
    """Where others could read a secret while it is in use: arguments, environments, the hub's database and log."""
    places = [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ"), *hub.folder.iterdir()]
    found = []
    for place in places:
        with contextlib.suppress(OSError):  # processes end
            found += [place] if secret.encode() in place.read_bytes() else []
    return found


def processes(hub: Hub) -> int:
    """How many processes the hub has started and not ended."""
    assert hub.process is not None
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text()
    return len(children.split())


@pytest.mark.usefixtures("silent")
def test_pam_that_never_answers_gives_the_sentence_when_the_time_is_up(
    login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    login.service, login.traits = KRB5, {"pam_timeout": 1.0}
    with caplog.at_level(logging.ERROR), pytest.raises(web.HTTPError, match="cannot be reached"):
        login()
    assert REALM in caplog.text


def test_more_logins_than_the_hub_has_room_for_are_told_to_come_again(
    login: Login, silent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "_LOGINS_AT_ONCE", 2)
    login.service, login.traits = ANYBODY, {"kerberos_timeout": 2.0}
    auth = login.authenticator()
    data = {"username": USER, "password": PASSWORD}

    async def crowd() -> list[object]:
        tries = [auth.get_authenticated_user(None, data) for _ in range(3)]
        return await asyncio.gather(*tries, return_exceptions=True)

    sentences = [str(answer) for answer in asyncio.run(crowd())]
    assert sum("Too many people" in sentence for sentence in sentences) == 1
