"""All checks, in the order in which they are told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hubctl import settings as hub_settings
from hubctl.doctor import files, host, installation, kerberos, leftovers, machine, running
from hubctl.doctor.finding import Finding, fault, ok
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings


@dataclass(frozen=True)
class Check:
    """One subject.

    Attributes:
        look: gives one finding or more; a ``HubError`` that it raises is a fault.
        needed: whether the settings make use of the subject at all.
        always: it has nothing to do with the settings, and is looked at where they are not valid, too.
    """

    name: str
    look: Callable[[Settings, Layout], Iterator[Finding]]
    needed: Callable[[Settings], bool] = lambda _: True
    always: bool = False


def _by_kerberos(settings: Settings) -> bool:
    return settings.auth == "kerberos"


CHECKS = (
    Check("processes", leftovers.check),
    Check("service", running.service),
    Check("answer", running.answers),
    Check("python", files.python, always=True),
    Check("database", files.database, always=True),
    Check("certificate", host.certificate),
    Check("disk", machine.disk),
    Check("permissions", machine.permissions, always=True),
    Check("selinux", machine.selinux, always=True),
    Check("installation", installation.check, always=True),
    Check("glibc", machine.glibc, always=True),
    Check("docker", host.docker, lambda settings: settings.spawner == "docker"),
    Check("images", host.image_fit, lambda settings: settings.spawner == "docker"),
    Check("pam", host.pam, lambda settings: settings.auth != "shared-password"),
    Check("groups", host.groups, lambda settings: settings.auth != "shared-password"),
    Check("realm", kerberos.realm, _by_kerberos),
    Check("keytab", kerberos.keytab, _by_kerberos),
    Check("single sign-on", kerberos.http_keytab, lambda s: _by_kerberos(s) and s.kerberos.http_keytab is not None),
    Check("kdc", kerberos.kdc, _by_kerberos),
    Check("tickets", kerberos.tickets, _by_kerberos),
)


def examine(layout: Layout) -> Iterator[tuple[str, Finding]]:
    """Names of checks, and what they find. Without valid settings it is not known what most have to look at."""
    try:
        settings = hub_settings.load(layout.settings)
    except HubError as error:
        yield "settings", fault(error.what, error.do or "mend these lines, then run this again for all the rest")
        settings, checks = Settings(), [check for check in CHECKS if check.always]
    else:
        yield "settings", ok(f"{layout.settings} is in order")
        checks = [check for check in CHECKS if check.needed(settings)]
    told: set[Finding] = set()
    for check in checks:
        for finding in _findings(check, settings, layout):
            if finding not in told:  # several checks may stumble over one thing
                yield check.name, finding
            told.add(finding)


def _findings(check: Check, settings: Settings, layout: Layout) -> Iterator[Finding]:
    try:
        yield from check.look(settings, layout)
    except HubError as error:
        yield fault(error.what, error.do)
    except PermissionError as error:
        what = error.filename or "this"
        yield fault(
            f"{what} can't be looked at without root's rights", "run this as root, or as the user that the hub runs as"
        )
    except OSError as error:
        what = error.filename or "the system"
        yield fault(f"{what}: {error.strerror or error}", "mend that, then run this again")
    except Exception as error:  # the other checks may have more to tell
        told = " ".join(str(error).split())
        yield fault(
            f"this could not be looked at: {type(error).__name__}: {told}",
            "hubctl itself is at fault: tell those who maintain it, with this line",
        )
