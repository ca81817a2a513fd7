"""Checks of what logins with Kerberos need: realm, keytabs, KDC, ticket folder."""

import asyncio
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from jupyterhub_kerberos import library, programs
from jupyterhub_kerberos.errors import TicketError
from jupyterhub_kerberos.kdc import Verifier
from jupyterhub_kerberos.programs import Account
from jupyterhub_kerberos.tickets import LITTLE_SPACE, SKEW

from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.units import say_memory

_SECONDS = 10
"""How long the KDC may take; a login waits as long."""

_SHOWN = 5
"""How many of many names are named."""

_OTHER_KEY = ("Password incorrect", "Preauthentication failed", "Decrypt integrity check failed")
"""kinit's words where a keytab's key is not the KDC's."""


def krb5_conf() -> str:
    """As the hub takes it from its environment; empty for the library's default."""
    return os.environ.get("KRB5_CONFIG", "")


def realm_of(settings: Settings) -> str:
    """The users' realm.

    Raises:
        HubError: there is none.
    """
    found = settings.kerberos.realm or library.default_realm(krb5_conf())
    if not found:
        raise HubError(
            f"no realm: neither `kerberos.realm` in hub.yaml nor a default_realm in {krb5_conf() or '/etc/krb5.conf'}",
            "write default_realm there, under [libdefaults]",
        )
    return found


def realm(settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether hub and krb5.conf agree on one."""
    wanted, default = realm_of(settings), library.default_realm(krb5_conf())
    if wanted == default:
        yield ok(wanted)
        return
    yield warning(
        f"hub.yaml has the realm {wanted}, krb5.conf {default or 'none'}: PAM's modules go by krb5.conf",
        f"write `default_realm = {wanted}` there, under [libdefaults]",
    )


def keytab(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether the KDC can be told from a false one."""
    path, name = layout.below(settings.kerberos.keytab), realm_of(settings)
    if not path.exists():
        yield warning(
            f"there is no keytab at {path}: the KDC of {name} can't be verified, so whoever can answer in its place"
            " can log in as any user that PAM accepts",
            f"put the host's keytab there: `kadmin -q 'ktadd -k {path} host/FQDN'`, or `realm join`",
        )
        return
    _open(path)
    if finding := _readable_by_others(path):
        yield finding
    verifier = _verifier(path, name)
    try:
        principal = asyncio.run(verifier.principal())
    except TicketError as error:
        yield fault(f"{error}; nobody can log in", f"`kadmin -q 'ktadd -k {path} host/FQDN'`")
        return
    yield _key(verifier, principal)


def _open(path: Path) -> None:
    """Looks whether this user may read a keytab: klist's words would be told as if it were damaged.

    Raises:
        PermissionError: no.
    """
    path.open("rb").close()


def _readable_by_others(path: Path) -> Finding | None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return None
    return fault(f"{path} can be read by others than its owner (mode {mode:04o})", f"chmod 600 {path}")


def _verifier(path: Path, name: str) -> Verifier:
    return Verifier(path, name, krb5_conf(), _SECONDS)


def _key(verifier: Verifier, principal: str) -> Finding:
    """Whether the KDC takes the key. Not every KDC lets a service ask (Active Directory does not): no fault then."""
    command = ("kinit", "-k", "-t", f"FILE:{verifier.keytab}", "-c", "MEMORY:", principal)
    try:
        result = asyncio.run(programs.run(*command, krb5_conf=krb5_conf(), limit=_SECONDS))
    except TimeoutError:
        return ok(f"{verifier.keytab} has {principal}")
    if any(words in result.stderr for words in _OTHER_KEY):
        return fault(
            f"the key of {principal} in {verifier.keytab} is another one than the KDC's; nobody can log in",
            f"get a new one: `kadmin -q 'ktadd -k {verifier.keytab} {principal}'`",
        )
    return ok(f"{verifier.keytab} has {principal}{'' if result.code else ', and the KDC takes its key'}")


def http_keytab(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether browsers can log in with their ticket."""
    assert settings.kerberos.http_keytab is not None
    path, name = layout.below(settings.kerberos.http_keytab), realm_of(settings)
    mend = f"`kadmin -q 'ktadd -k {path} HTTP/FQDN'`, FQDN being the name of the site in browsers"
    if not path.exists():
        yield fault(f"there is no keytab at {path}: single sign-on does not work, the form does", mend)
        return
    _open(path)
    if finding := _readable_by_others(path):
        yield finding
    try:
        principals = asyncio.run(_verifier(path, name).principals())
    except TicketError as error:
        yield fault(str(error), mend)
        return
    sites = [principal for principal in principals if principal.startswith("HTTP/")]
    yield ok(f"{path} has {', '.join(sites)}") if sites else fault(f"{path} has no key of HTTP/ in {name}", mend)


def kdc(settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether it answers, and has our time."""
    name = realm_of(settings)
    try:
        ahead = library.kdc_offset(name, krb5_conf(), _SECONDS)
    except OSError as error:
        yield fault(f"the KDC of {name}: {error}", "look at [realms] in krb5.conf, DNS, the firewall, and the KDC")
        return
    apart = abs(ahead)
    found = f"the KDC of {name} answers; its clock and ours are {apart / timedelta(seconds=1):.0f} s apart"
    mend = "synchronise the clocks: `timedatectl` shows this host's"
    if apart > SKEW:
        yield fault(f"{found}, and {SKEW / timedelta(seconds=1):.0f} s are allowed; nobody can log in", mend)
    elif apart > SKEW / 2:
        yield warning(found, mend)
    else:
        yield ok(found)


def tickets(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether tickets can be stored, and only their users can read them."""
    root = layout.tickets
    if not root.exists():
        yield ok(f"{root} is not there yet: the first login makes it")
        return
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        yield fault(
            f"{root} is not a folder that the hub's user alone can write to (uid {status.st_uid}, mode"
            f" {stat.S_IMODE(status.st_mode):04o}); nobody can log in",
            f"chown root:root {root}; chmod 711 {root}",
        )
    yield _space(root)
    strange = [entry.name for entry in sorted(root.iterdir()) if not entry.name.startswith(".") and _is_strange(entry)]
    if strange:
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        yield warning(
            f"folders in {root} that are not their user's alone: {', '.join(strange[:_SHOWN])}{more}",
            "the user's next login mends it; remove those of users who are gone",
        )


def _is_strange(folder: Path) -> bool:
    try:
        account = Account.of(folder.name)
    except KeyError:
        return True
    status = folder.lstat()
    return not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or stat.S_IMODE(status.st_mode) != 0o700


def _space(root: Path) -> Finding:
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    found, mend = f"{root} has {say_memory(free)} free", f"free some: `df {root}`, `df -i {root}`"
    if free < LITTLE_SPACE or (space.f_files and not space.f_favail):
        return fault(f"{found}, room for {space.f_favail} files; nobody can log in", mend)
    return warning(found, mend) if free < 100 * LITTLE_SPACE else ok(found)
