"""Logins as a browser sees them: a real hub, with a real KDC and real PAM behind it."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from k5test.realm import MITRealm
from kerberos_hub import Browser, Hub, error_on, wait_until
from kerberos_support import OTHER, PASSWORD, USER

pytest_plugins = ["kerberos_support", "kerberos_hub"]


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., Hub]) -> Hub:
    """Looks at tickets on each request."""
    return make_hub(auth_refresh_age=1, admin_users={OTHER}).start()


def until(kdc: MITRealm, hub: Hub) -> str:
    """When the ticket is over, as klist writes it."""
    lines = kdc.run(["klist", "-c", str(hub.ticket)]).decode().splitlines()
    return next(" ".join(line.split()[2:4]) for line in lines if "krbtgt/" in line)


def is_over(kdc: MITRealm, hub: Hub) -> bool:
    return subprocess.run(["klist", "-s", "-c", str(hub.ticket)], env=kdc.env).returncode != 0


def spawn(hub: Hub) -> int:
    """Starts the user's server; its process."""
    with_page = hub.api("POST", f"/users/{USER}/server")
    assert with_page is None
    wait_until(lambda: hub.servers().get("", {}).get("ready"), "the server", lambda: hub.log)
    return server_process(hub)


def server_process(hub: Hub) -> int:
    wanted = f"{hub.folder}/server.py".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # processes end
            if wanted in (process / "cmdline").read_bytes().split(b"\0"):
                return int(process.name)
    pytest.fail("the server does not run")


def stop(hub: Hub) -> None:
    hub.api("DELETE", f"/users/{USER}/server")
    wait_until(lambda: "" not in hub.servers(), "the server's end", lambda: hub.log)


def test_login_leads_to_the_page_that_was_asked_for(hub: Hub) -> None:
    browser = Browser(hub)
    answer = browser.login()
    assert answer.status_code == 302
    assert browser.open("home").status_code == 200
    assert hub.ticket.exists()


def test_wrong_password_shows_the_form_again(hub: Hub) -> None:
    answer = Browser(hub).login(password="wrong")
    assert answer.status_code == 403
    assert error_on(answer) == "Invalid username or password"
    assert f"PAM refused {USER} (authenticate" in hub.log


def test_user_without_an_account_reads_so_on_the_form(hub: Hub) -> None:
    answer = Browser(hub).login(username="nobody-of-that-name")
    assert answer.status_code == 403
    assert "You have no account on this server" in error_on(answer)
    assert 'name="password"' in answer.text
    assert "nobody-of-that-name has no account" in hub.log


def test_dead_kdc_is_said_above_the_form_and_the_next_login_works(hub: Hub, kdc: MITRealm) -> None:
    kdc.stop_kdc()
    try:
        answer = Browser(hub).login()
    finally:
        kdc.start_kdc()
    assert answer.status_code == 503
    assert "cannot be reached" in error_on(answer)
    assert 'name="password"' in answer.text
    assert "Your server does not answer" not in answer.text  # the site's page for that status
    assert "Login refused (realm HUBFORGE.TEST)" in hub.log
    assert Browser(hub).login().status_code == 302

    assert "Traceback" not in hub.log


def test_form_without_the_hidden_field_is_refused(hub: Hub) -> None:
    data = {"username": USER, "password": PASSWORD}
    answer = Browser(hub).post(f"{hub.url}/login", data=data, allow_redirects=False, timeout=60)
    assert answer.status_code == 403


def test_password_is_in_no_database_auth_state_or_log(hub: Hub) -> None:
    assert Browser(hub).login().status_code == 302
    for path in hub.folder.iterdir():
        assert PASSWORD.encode() not in path.read_bytes(), path
    assert hub.api("GET", f"/users/{USER}")["auth_state"] is None


def test_administrator_by_name_sees_the_admin_page_others_do_not(hub: Hub) -> None:
    for name, status in ((OTHER, 200), (USER, 403)):
        browser = Browser(hub)
        assert browser.login(username=name).status_code == 302
        assert browser.open("admin").status_code == status


def test_ticket_that_is_over_is_said_by_the_page_while_the_server_goes_on(kdc: MITRealm, hub: Hub) -> None:
    browser = Browser(hub)
    browser.login()
    process = spawn(hub)
    hub.replace_ticket("-l", "1s")
    wait_until(lambda: is_over(kdc, hub), "the ticket's end", lambda: hub.log)  # before it, the page says that it nears
    wait_until(lambda: "/login" in browser.open("home").url, "the login page", lambda: hub.log)
    page = browser.open("home")
    assert "Your Kerberos ticket is over" in error_on(page)
    assert f'value="{USER}"' in page.text
    assert browser.login().status_code == 302
    assert browser.open("home").url.endswith("/home")
    assert server_process(hub) == process
    stop(hub)


def test_expired_ticket_is_no_traceback_for_a_form_that_was_sent(hub: Hub, kdc: MITRealm) -> None:
    browser = Browser(hub)
    browser.login()
    browser.open("home")
    xsrf = browser.xsrf()
    hub.replace_ticket("-l", "1s")
    wait_until(lambda: is_over(kdc, hub), "the end of the ticket", lambda: hub.log)
    time.sleep(1)  # the hub looks once a second
    answer = browser.post(f"{hub.url}/spawn", data={"_xsrf": xsrf}, timeout=60)
    assert answer.status_code == 403
    assert "Traceback" not in hub.log


def test_ticket_of_a_server_is_renewed_though_nobody_comes(hub: Hub, kdc: MITRealm) -> None:
    browser = Browser(hub)
    browser.login()
    spawn(hub)
    hub.replace_ticket("-l", "30s", "-r", "1h")
    before = until(kdc, hub)
    wait_until(lambda: until(kdc, hub) != before, "a renewed ticket", lambda: hub.log)
    stop(hub)


def test_server_is_told_the_ticket_of_its_user(hub: Hub) -> None:
    Browser(hub).login()
    process = spawn(hub)
    environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    assert f"KRB5CCNAME=FILE:{hub.ticket}".encode() in environment
    stop(hub)


@pytest.fixture(scope="module")
def forgetful_hub(make_hub: Callable[..., Hub]) -> Hub:
    return make_hub(destroy_tickets={"logout", "stop"}).start()


def test_logout_leaves_the_ticket_by_default(hub: Hub) -> None:
    browser = Browser(hub)
    browser.login()
    browser.open("logout")
    assert hub.ticket.exists()
    assert "/login" in browser.open("home").url


def test_logout_destroys_the_ticket_where_that_is_set(forgetful_hub: Hub) -> None:
    browser = Browser(forgetful_hub)
    browser.login()
    assert forgetful_hub.ticket.exists()
    browser.open("logout")
    assert not forgetful_hub.ticket.exists()


def test_end_of_the_last_server_destroys_the_ticket_where_that_is_set(forgetful_hub: Hub) -> None:
    Browser(forgetful_hub).login()
    forgetful_hub.api("POST", f"/users/{USER}/servers/second")
    wait_until(lambda: forgetful_hub.servers().get("second", {}).get("ready"), "a server", lambda: forgetful_hub.log)
    spawn(forgetful_hub)
    stop(forgetful_hub)
    assert forgetful_hub.ticket.exists()
    forgetful_hub.api("DELETE", f"/users/{USER}/servers/second")
    wait_until(lambda: not forgetful_hub.ticket.exists(), "the ticket's end", lambda: forgetful_hub.log)


def test_cookie_from_before_a_new_installation_leads_to_the_login(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub().start()
    browser = Browser(hub)
    browser.login()
    hub.stop()
    (hub.folder / "hub.sqlite").unlink()
    (hub.folder / "cookie_secret").unlink()
    shutil.rmtree(hub.traits["KerberosPAMAuthenticator.ticket_folder"])
    hub.start()
    page = browser.open("home")
    assert page.status_code == 200
    assert "/login" in page.url
    assert browser.login().status_code == 302
    assert browser.open("home").url.endswith("/home")
    assert "Invalid or expired cookie" in hub.log
    assert "Traceback" not in hub.log


def test_two_browsers_of_one_user_have_one_ticket(hub: Hub) -> None:
    first, second = Browser(hub), Browser(hub)
    assert first.login().status_code == second.login().status_code == 302
    assert [path.name for path in hub.ticket.parent.iterdir()] == ["krb5cc"]
    assert first.open("home").status_code == second.open("home").status_code == requests.codes.ok
