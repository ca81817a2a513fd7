"""A host whose krb5.conf keeps tickets in the kernel's keyrings, as that of RHEL and its kin does.

Keyrings are real here but for containers: Docker's seccomp profile forbids the calls for them, which is tested, too.
The host's programs are Debian's, which can use keyrings, as RHEL's can; the hub's own have no support for them.
Debian's pam_krb5 has none either: pam_env stands in for a module that has. `tests/integration/test_sssd.py` has SSSD.
"""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from jupyterhub_kerberos import programs
from k5test.realm import MITRealm
from kerberos_support import PASSWORD, REALM, USER, Login, as_user

pytest_plugins = ["docker_support", "kerberos_support"]

KEYRING = f"KEYRING:persistent:{as_user().uid}"
PAM_SERVICE = "hubforge-test-keyring"


@pytest.fixture(scope="module")
def krb5_conf(kdc: MITRealm) -> Path:
    """The realm's, with the line that RHEL's has."""
    text = Path(kdc.env["KRB5_CONFIG"]).read_text()
    path = Path(kdc.tmpdir, "keyring.conf")
    line = "default_ccache_name = KEYRING:persistent:%{uid}"
    path.write_text(text.replace("[libdefaults]\n", f"[libdefaults]\n {line}\n"))
    return path


@pytest.fixture(autouse=True)
def no_ticket_in_the_keyring(krb5_conf: Path) -> Iterator[None]:
    yield
    on_the_host(krb5_conf, "kdestroy", "-A", "-q")


@pytest.fixture(params=["the hub's programs", "the host's programs"])
def keyring_login(request: pytest.FixtureRequest, login: Login, krb5_conf: Path) -> Login:
    """The hub's login on such a host; the host's programs are used where users can't run the hub's."""
    if request.param == "the host's programs":
        login.patch.setattr(programs, "find", lambda name: name if "/" in name else f"/usr/bin/{name}")
    login.realm_conf = str(krb5_conf)
    return login


def on_the_host(krb5_conf: Path, program: str, *options: str, cache: str = "", stdin: str = "") -> str:
    """What one of the host's programs says to the user; ``cache`` is what ``KRB5CCNAME`` says."""
    account = as_user()
    command = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", f"/usr/bin/{program}"]
    environment = {"PATH": "/usr/bin:/bin", "KRB5_CONFIG": str(krb5_conf)} | ({"KRB5CCNAME": cache} if cache else {})
    done = subprocess.run([*command, *options], env=environment, input=stdin, capture_output=True, text=True)
    return done.stdout + done.stderr


def take_ticket_into_the_keyring(krb5_conf: Path) -> None:
    on_the_host(krb5_conf, "kinit", f"{USER}@{REALM}", stdin=f"{PASSWORD}\n")
    assert f"Ticket cache: {KEYRING}:" in on_the_host(krb5_conf, "klist")


def test_login_and_renewal_use_the_file_and_leave_the_keyring_alone(keyring_login: Login, krb5_conf: Path) -> None:
    assert keyring_login() is not None
    file = f"FILE:{keyring_login.cache}"
    assert f"Default principal: {USER}@{REALM}" in on_the_host(krb5_conf, "klist", cache=file)
    kept = on_the_host(krb5_conf, "klist")
    assert f"keyring '{KEYRING.partition(':')[2]}" in kept and "not found" in kept

    take_ticket_into_the_keyring(krb5_conf)
    before, in_keyring = keyring_login.cache.read_bytes(), on_the_host(krb5_conf, "klist")
    office = keyring_login.authenticator().tickets
    asyncio.run(office.renew(as_user()))
    assert keyring_login.cache.read_bytes() != before
    asyncio.run(office.destroy(as_user()))
    assert not keyring_login.cache.exists()
    assert on_the_host(krb5_conf, "klist") == in_keyring


@pytest.fixture
def pam_keeps_tickets_in_the_keyring(login: Login, krb5_conf: Path) -> Iterator[None]:
    take_ticket_into_the_keyring(krb5_conf)
    settings = krb5_conf.with_name("pam_env.conf")
    settings.write_text(f"KRB5CCNAME DEFAULT={KEYRING}\n")
    service = Path("/etc/pam.d", PAM_SERVICE)
    service.write_text(
        f"auth required pam_permit.so\nauth required pam_env.so conffile={settings} readenv=0\n"
        "account required pam_permit.so\n"
    )
    login.service = PAM_SERVICE
    yield
    service.unlink()


def test_ticket_that_pam_keeps_in_the_keyring_is_copied_into_the_file(
    keyring_login: Login, pam_keeps_tickets_in_the_keyring: None, krb5_conf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert keyring_login() is not None
    assert f"PAM has got the ticket of {USER}: {KEYRING}" in caplog.text
    file = f"FILE:{keyring_login.cache}"
    in_file, in_keyring = (on_the_host(krb5_conf, "klist", cache=cache).splitlines()[3:] for cache in (file, ""))
    assert any(f"krbtgt/{REALM}@{REALM}" in line for line in in_file)
    assert in_file == in_keyring, "the very same ticket, and still there"


def test_container_has_no_keyrings_and_finds_the_file(
    keyring_login: Login, krb5_conf: Path, engine: docker.APIClient, image: str
) -> None:
    keyring_login()
    account = as_user()
    folder = str(keyring_login.folder)
    binds = {folder: folder, sys.prefix: sys.prefix, str(krb5_conf): "/etc/krb5.conf"}
    container = engine.create_container(
        image,
        ["sleep", "600"],
        user=f"{account.uid}:{account.gid}",
        environment={"KRB5CCNAME": f"FILE:{keyring_login.cache}"},
        host_config=engine.create_host_config(
            binds={path: {"bind": inside, "mode": "ro"} for path, inside in binds.items()}, network_mode="none"
        ),
    )["Id"]

    def inside(*command: str) -> str:
        return bytes(engine.exec_start(engine.exec_create(container, list(command))["Id"])).decode()

    engine.start(container)
    try:
        assert f"Ticket cache: FILE:{keyring_login.cache}" in inside(f"{sys.prefix}/bin/klist")
        # keyctl(2), KEYCTL_GET_PERSISTENT
        assert inside("perl", "-e", "print syscall(250, 22, -1, -2), $!") == "-1Operation not permitted"
    finally:
        engine.remove_container(container, force=True)
