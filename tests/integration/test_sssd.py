"""Where PAM is SSSD, the ticket that it has got is used, wherever it keeps it: real SSSD, real KDC, installed hub."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT
from tests.waiting import wait_for

PACKAGES = (
    "krb5-admin-server",
    "krb5-kdc",
    "krb5-user",
    "libnss-sss",
    "libpam-sss",
    "procps",
    "sssd-kcm",
    "sssd-krb5",
)

USER, PASSWORD = "analyst", "battery-staple-3Wz!"
CACHE = f"/run/jupyterhub/tickets/{USER}/krb5cc"
KCM_SOCKET = "/run/.heim_org.h5l.kcm-socket"

KRB5_CONF = """\
[libdefaults]
 default_realm = HUBFORGE.TEST
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 forwardable = true
[realms]
 HUBFORGE.TEST = {
  kdc = 127.0.0.1:88
 }
"""

KDC_CONF = """\
[realms]
 HUBFORGE.TEST = {
  kdc_listen = 127.0.0.1:88
  kdc_tcp_listen = 127.0.0.1:88
  max_renewable_life = 7d
 }
[logging]
 kdc = FILE:/var/log/krb5kdc.log
"""

# The names come from /etc/passwd, where a site's would come from LDAP or Active Directory.
SSSD_CONF = """\
[sssd]
services = nss, pam
domains = test
[domain/test]
id_provider = files
auth_provider = krb5
krb5_realm = HUBFORGE.TEST
krb5_server = 127.0.0.1
krb5_validate = true
krb5_auth_timeout = 60
krb5_lifetime = 10h
krb5_renewable_lifetime = 7d
krb5_ccname_template = {template}
"""

MAKE_REALM = f"""
kdb5_util create -s -r HUBFORGE.TEST -P master
kadmin.local -q 'addprinc -pw {PASSWORD} {USER}'
kadmin.local -q 'addprinc -randkey host/bare'
kadmin.local -q 'ktadd host/bare'
krb5kdc
useradd --create-home {USER}
"""

LOG_IN = f"""
import sys
from login import Refused, Session
try:
    Session("https://localhost:8000").log_in("{USER}", sys.stdin.readline().rstrip("\\n"))
except Refused as refused:
    sys.exit(str(refused))
"""


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[Container]:
    """A host of the realm, on which the installer has run and the hub runs."""
    image = base_image("bookworm", PACKAGES)
    rights = ["--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"]  # to mount, see start_hub
    rights += ["--security-opt=seccomp=unconfined"]  # to use keyrings, as a host may and a container may not
    tests = Path(__file__).parents[1]
    with running(image, *rights, mounts={installer.parent: "/dist", tests: "/tests"}) as container:
        write(container, "/etc/krb5.conf", KRB5_CONF)
        container.shell("chmod 644 /etc/krb5.conf")
        write(container, "/etc/krb5kdc/kdc.conf", KDC_CONF)
        container.shell(MAKE_REALM)
        container.run("bash", f"/dist/{installer.name}", "-b")
        container.shell(f"usermod --append --groups jupyterhub {USER}")
        # a login alone starts no server
        write(container, "/etc/jupyterhub/jupyterhub_config.d/10-test.py", "c.JupyterHub.redirect_to_server = False\n")
        start_hub(container)
        yield container


def write(server: Container, path: str, text: str) -> None:
    server.run("sh", "-c", 'mkdir -p "$(dirname "$0")" && umask 077 && cat > "$0"', path, text=text)


def start_hub(server: Container, hidden: str = "true") -> None:
    """Starts the hub, in a namespace in which ``hidden`` was run."""
    server.run("unshare", "--mount", "sh", "-euc", f"{hidden}; exec {ENVIRONMENT}/bin/hubctl start")


def stop_hub(server: Container) -> None:
    server.shell(f"{ENVIRONMENT}/bin/hubctl stop")


@pytest.fixture(params=["KCM:"])
def sssd(server: Container, request: pytest.FixtureRequest) -> Iterator[str]:
    """A running SSSD that keeps tickets as the template says, which is given; everything of logins before is gone."""
    write(server, "/etc/sssd/sssd.conf", SSSD_CONF.format(template=request.param))
    server.shell("rm -rf /run/jupyterhub/tickets /tmp/krb5cc*; : > /var/log/jupyterhub/jupyterhub.log")
    server.shell(f"rm -f /var/lib/sss/db/* /var/lib/sss/secrets/* {KCM_SOCKET}; sssd --daemon --logger=files")
    try:
        wait_until(server, f"getent -s sss passwd {USER}")
        start_kcm(server)
        server.shell(": > /var/log/krb5kdc.log")
        yield request.param
    finally:
        server.shell("kill $(cat /run/sssd.pid)")
        end_kcm(server)
        wait_until(server, "! pgrep -r R,S,D -x sssd")
        # the kernel would keep it after the container's end
        keyring = f"KEYRING:persistent:$(id -u {USER})"
        server.shell(f"setpriv --reuid={USER} --regid={USER} --clear-groups kdestroy -A -q -c {keyring}")


def start_kcm(server: Container) -> None:
    """SSSD's ticket store, in the foreground, below a shell that stays.

    It asks the kernel to end it with its parent (PR_SET_PDEATHSIG), and the one that ``docker exec`` gives a program
    ends as soon as that runs.
    """
    kcm = "/usr/libexec/sssd/sssd_kcm --uid=0 --gid=0 --logger=files"
    subprocess.run(["docker", "exec", "--detach", server.id, "sh", "-c", f"{kcm}; true"], check=True)
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect('{KCM_SOCKET}')"
    wait_until(server, f'{ENVIRONMENT}/bin/python -B -c "{connect}"')


def end_kcm(server: Container) -> None:
    server.shell("pkill -x sssd_kcm", check=False)
    wait_until(server, "! pgrep -r R,S,D -x sssd_kcm")


def wait_until(server: Container, condition: str) -> None:
    wait_for(condition, lambda: server.run("sh", "-euc", condition, check=False).returncode == 0, 60)


def log_in(server: Container, password: str = PASSWORD) -> str:
    """What the hub answers; empty when it lets the user in."""
    command = ("env", "PYTHONPATH=/tests", f"{ENVIRONMENT}/bin/python", "-B", "-c", LOG_IN)
    return server.run(*command, text=f"{password}\n", check=False).stderr.strip()


def tickets_given(server: Container) -> int:
    """How many ticket-granting tickets the KDC has given the user, by its log."""
    lines = server.shell("cat /var/log/krb5kdc.log").splitlines()
    return sum("AS_REQ" in line and "ISSUE" in line and f"{USER}@" in line for line in lines)


def hub_log(server: Container) -> str:
    return server.shell("cat /var/log/jupyterhub/jupyterhub.log")


def wait_for_log(server: Container, line: str) -> None:
    """Waits for a line of the hub's log, a regular expression: a process of its own writes it, after the answer."""
    wait_for(line, lambda: re.search(line, hub_log(server)), 60, lambda: hub_log(server))


def ticket(server: Container) -> str:
    return server.shell(f"stat -c '%U %a' {CACHE}; klist -f -c {CACHE}")


@pytest.mark.parametrize(
    "sssd", ["KCM:", "KEYRING:persistent:%U", "FILE:/tmp/krb5cc_%U_XXXXXX", "DIR:/tmp/krb5cc_%U"], indirect=True
)
def test_ticket_that_sssd_has_got_is_used_not_a_second_one(server: Container, sssd: str) -> None:
    assert log_in(server) == ""
    assert tickets_given(server) == 1
    wait_for_log(server, f"PAM has got the ticket of {USER}: {sssd.partition(':')[0]}:")
    shown = ticket(server)
    assert shown.startswith(f"{USER} 600\n")
    assert f"Default principal: {USER}@HUBFORGE.TEST" in shown
    flags = re.search(r"renew until .*, Flags: (\S+)", shown)
    assert flags
    assert {"F", "R"} <= set(flags[1])


def test_hubs_own_kerberos_reads_what_sssd_keeps_in_kcm(server: Container, sssd: str) -> None:
    """Where the host has no Kerberos library of its own."""
    assert log_in(server) == ""
    identity = f"setpriv --reuid={USER} --regid={USER} --clear-groups"
    shown = server.shell(f"{identity} {ENVIRONMENT}/bin/klist -c {sssd}")
    assert f"Default principal: {USER}@HUBFORGE.TEST" in shown


def test_sssd_without_its_kcm_refuses_everybody(server: Container, sssd: str) -> None:
    """SSSD's own choice: it tells PAM no more than that the user was refused."""
    end_kcm(server)
    assert "Invalid username or password" in log_in(server)


def test_reasons_are_said_though_sssd_keeps_them_to_itself(server: Container, sssd: str) -> None:
    assert "Invalid username or password" in log_in(server, "wrong")
    server.shell(f"kadmin.local -q 'modprinc -allow_tix {USER}'")
    assert "locked or expired" in log_in(server)
    server.shell(f"kadmin.local -q 'modprinc +allow_tix -pwexpire yesterday {USER}'")
    assert "Your password has expired" in log_in(server)
    server.shell(f"kadmin.local -q 'modprinc -pwexpire never {USER}'; pkill -x krb5kdc")
    assert "cannot be reached" in log_in(server)
    server.shell("krb5kdc")
    wait_for_log(server, "credentials have been revoked")
    wait_for_log(server, "Password expired")
    wait_for_log(server, "Cannot contact any KDC")
    log = hub_log(server)
    assert PASSWORD not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("sssd", "hidden"),
    [
        ("FILE:/tmp/krb5cc_%U_XXXXXX", "mount -t tmpfs none /tmp"),  # as PrivateTmp= of a systemd unit does
        ("KCM:", f"mount --bind /dev/null {KCM_SOCKET}"),
    ],
    indirect=["sssd"],
    ids=["private tmp", "no kcm"],
)
def test_ticket_that_the_hub_cannot_read_is_got_by_kinit(server: Container, sssd: str, hidden: str) -> None:
    stop_hub(server)
    start_hub(server, hidden)
    assert log_in(server) == ""
    wait_for_log(server, rf"PAM made {sssd[:4]}\S* for {USER}, which can't be read")
    assert tickets_given(server) == 2
    assert ticket(server).startswith(f"{USER} 600\n")
    stop_hub(server)
    start_hub(server)
