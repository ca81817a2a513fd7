"""Single sign-on with a GSSAPI client, as a browser does it (RFC 4559)."""

import base64
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import kerberos
import pytest
import requests
from jupyterhub_kerberos import KerberosSPNEGOAuthenticator
from k5test.realm import MITRealm
from kerberos_hub import Browser, Hub, error_on, wait_until
from kerberos_support import (
    LOCKED,
    OTHER,
    PASSWORD,
    REALM,
    USER,
    Login,
    as_user,
    flags,
    make_realm,
    modes,
)

pytest_plugins = ["kerberos_support", "kerberos_hub"]

MUTUAL = kerberos.GSS_C_MUTUAL_FLAG | kerberos.GSS_C_SEQUENCE_FLAG


def add_site(realm: MITRealm) -> Path:
    """The site's key in the realm; its keytab."""
    keytab = Path(realm.tmpdir, "http.keytab")
    realm.run_kadminl(f"addprinc -randkey -maxrenewlife 7d HTTP/localhost@{REALM}")
    realm.run_kadminl(f"ktadd -k {keytab} HTTP/localhost@{REALM}")
    return keytab


@pytest.fixture(scope="module")
def http_keytab(kdc: MITRealm) -> Path:
    return add_site(kdc)


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., Hub], http_keytab: Path) -> Hub:
    """Looks at tickets on each request."""
    hub = make_hub("jupyterhub_kerberos.KerberosSPNEGOAuthenticator", auth_refresh_age=1)
    hub.traits["KerberosSPNEGOAuthenticator.http_keytab"] = str(http_keytab)
    return hub.start()


@pytest.fixture
def sign_on(kdc: MITRealm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., "Client"]:
    """Makes the GSSAPI part of a browser, on the desktop of a user who has logged in there."""

    def make(user: str = USER, delegate: bool = False, realm: MITRealm = kdc, password: str = PASSWORD) -> Client:
        cache = tmp_path / f"desktop-{user.replace('/', '-')}"
        monkeypatch.setenv("KRB5_CONFIG", realm.env["KRB5_CONFIG"])
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
        kinit = ["kinit", "-f", "-r", "7d", "-c", str(cache), f"{user}@{REALM}"]
        subprocess.run(kinit, input=f"{password}\n".encode(), check=True, stdout=subprocess.DEVNULL)
        return Client(delegate)

    return make


class Client:
    """One GSSAPI context for the site."""

    def __init__(self, delegate: bool) -> None:
        options = MUTUAL | (kerberos.GSS_C_DELEG_FLAG if delegate else 0)
        _, self.context = kerberos.authGSSClientInit(
            "HTTP@localhost", gssflags=options, mech_oid=kerberos.GSS_MECH_OID_SPNEGO
        )
        kerberos.authGSSClientStep(self.context, "")

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Negotiate {kerberos.authGSSClientResponse(self.context)}"}

    def trusts(self, answer: requests.Response) -> bool:
        """Whether the site has proved who it is."""
        token = answer.headers["WWW-Authenticate"].removeprefix("Negotiate ")
        return bool(kerberos.authGSSClientStep(self.context, token) == kerberos.AUTH_GSS_COMPLETE)


@pytest.fixture(autouse=True)
def no_ticket_of_before(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").ticket.unlink(missing_ok=True)


def test_browser_without_a_token_is_asked_for_one_and_shows_the_form(hub: Hub) -> None:
    answer = Browser(hub).open("login")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Negotiate"
    assert 'name="password"' in answer.text
    assert error_on(answer) == ""


def test_form_still_works(hub: Hub) -> None:
    browser = Browser(hub)
    assert browser.login().status_code == 302
    assert browser.open("home").url.endswith("/home")
    assert hub.ticket.exists()


def test_browser_with_a_ticket_is_let_in_to_the_page_it_asked_for(hub: Hub, sign_on: Callable[..., Client]) -> None:
    browser, client = Browser(hub), sign_on()
    asked = browser.open("home")
    assert asked.status_code == 401
    answer = browser.get(asked.url, headers=client.header, allow_redirects=False, timeout=60)
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/hub/home")
    assert client.trusts(answer)
    assert browser.open("home").url.endswith("/home")
    assert f"The browser of {USER} passed on no ticket" in hub.log
    assert not hub.ticket.exists()


def test_ticket_that_the_browser_passes_on_is_stored_where_the_forms_is(
    hub: Hub, kdc: MITRealm, sign_on: Callable[..., Client]
) -> None:
    browser, client = Browser(hub), sign_on(delegate=True)
    answer = browser.open("login", headers=client.header, allow_redirects=False)
    assert answer.status_code == 302
    assert modes(hub.ticket) == (0o600, as_user().uid)
    assert [path.name for path in hub.ticket.parent.iterdir()] == ["krb5cc"]
    shown = kdc.run(["klist", "-c", str(hub.ticket)]).decode()
    assert f"Default principal: {USER}@{REALM}" in shown
    assert f"krbtgt/{REALM}@{REALM}" in shown
    assert {"F", "f"} <= flags(kdc, hub.ticket)
    assert browser.open("home").url.endswith("/home")
    leftovers = [path for path in hub.ticket.parents[1].iterdir() if path.name.startswith(".accept")]
    assert leftovers == []


@pytest.mark.parametrize(
    "token", ["", "x", base64.b64encode(b"NTLMSSP\0\1\0\0\0").decode(), "A" * 60_000], ids=["none", "x", "ntlm", "long"]
)
def test_token_that_proves_nothing_leads_to_the_form(hub: Hub, token: str) -> None:
    browser = Browser(hub)
    answer = browser.open("login", headers={"Authorization": f"Negotiate {token}"})
    assert answer.status_code == 403
    assert "Single sign-on did not work" in error_on(answer)
    assert "WWW-Authenticate" not in answer.headers
    assert "Traceback" not in hub.log
    assert browser.login().status_code == 302


def test_token_is_good_for_one_login_only(hub: Hub, sign_on: Callable[..., Client]) -> None:
    header = sign_on().header
    assert Browser(hub).open("login", headers=header, allow_redirects=False).status_code == 302
    assert Browser(hub).open("login", headers=header, allow_redirects=False).status_code == 403


def test_token_of_a_fake_kdc_is_refused(hub: Hub, sign_on: Callable[..., Client], programs_of_root: None) -> None:
    fake = make_realm("evil")
    try:
        add_site(fake)
        client = sign_on(realm=fake, password="evil", delegate=True)
        answer = Browser(hub).open("login", headers=client.header, allow_redirects=False)
    finally:
        fake.stop()
    assert answer.status_code == 403
    assert not hub.ticket.exists()


def test_principal_without_an_account_reads_so_on_the_form(
    hub: Hub, kdc: MITRealm, sign_on: Callable[..., Client]
) -> None:
    kdc.run_kadminl(f"addprinc -pw {PASSWORD} nobody-here@{REALM}")
    answer = Browser(hub).open("login", headers=sign_on("nobody-here").header)
    assert answer.status_code == 403
    assert "You have no account on this server" in error_on(answer)


def test_principal_of_a_service_is_no_user(hub: Hub, kdc: MITRealm, sign_on: Callable[..., Client]) -> None:
    kdc.run_kadminl(f"addprinc -pw {PASSWORD} nobody/admin@{REALM}")
    answer = Browser(hub).open("login", headers=sign_on("nobody/admin").header)
    assert answer.status_code == 403
    assert "Single sign-on did not work" in error_on(answer)


def test_account_that_pam_refuses_is_refused(
    make_hub: Callable[..., Hub], http_keytab: Path, sign_on: Callable[..., Client]
) -> None:
    hub = make_hub("jupyterhub_kerberos.KerberosSPNEGOAuthenticator", service=LOCKED)
    hub.traits["KerberosSPNEGOAuthenticator.http_keytab"] = str(http_keytab)
    hub.start()
    answer = Browser(hub).open("login", headers=sign_on(delegate=True).header)
    hub.stop()
    assert answer.status_code == 403
    assert "locked or has expired" in error_on(answer)
    assert not hub.ticket.exists()


def test_user_outside_of_the_allowed_groups_is_refused(
    make_hub: Callable[..., Hub], http_keytab: Path, sign_on: Callable[..., Client]
) -> None:
    hub = make_hub("jupyterhub_kerberos.KerberosSPNEGOAuthenticator", allowed_groups={OTHER})
    hub.traits["KerberosSPNEGOAuthenticator.http_keytab"] = str(http_keytab)
    hub.start()
    answer = Browser(hub).open("login", headers=sign_on(delegate=True).header)
    hub.stop()
    assert answer.status_code == 403
    assert "may not use this server" in error_on(answer)
    assert not hub.ticket.exists()


def test_logout_leads_to_the_form_not_in_again(hub: Hub, sign_on: Callable[..., Client]) -> None:
    browser = Browser(hub)
    browser.open("login", headers=sign_on().header, allow_redirects=False)
    page = browser.open("logout")
    assert page.status_code == 200
    assert "WWW-Authenticate" not in page.headers
    assert 'name="password"' in page.text


def test_ticket_that_is_over_asks_for_the_password_unless_the_browser_passes_one_on(
    hub: Hub, sign_on: Callable[..., Client]
) -> None:
    browser = Browser(hub)
    browser.login()
    hub.replace_ticket("-l", "1s")
    wait_until(lambda: browser.open("home").status_code == 401, "the login page", lambda: hub.log)
    page = browser.open("home")
    assert "Your Kerberos ticket is over" in error_on(page)
    without = browser.get(page.url, headers=sign_on().header, timeout=60)
    assert without.status_code == 403
    assert "Your Kerberos ticket is over" in error_on(without)
    client = sign_on(delegate=True)
    assert browser.get(page.url, headers=client.header, timeout=60).url.endswith("/home")


def test_missing_keytab_is_said_at_the_start(
    login: Login, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", login.realm_conf)
    KerberosSPNEGOAuthenticator(keytab=login.keytab, http_keytab="/none")
    assert "single sign-on does not work" in caplog.text
