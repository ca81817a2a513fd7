"""Checks of what the hub needs from the host, however users log in."""

import grp
from collections.abc import Iterator
from difflib import get_close_matches

from hubctl import certificate as certificates
from hubctl import homes, images
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.layout import Layout
from hubctl.settings import Settings

_LAST_DAYS = 30
"""`hubctl setup` makes its own certificate anew when so many are left."""


def certificate(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether browsers accept its dates."""
    path = layout.below(settings.tls.cert)
    days = certificates.days_left(certificates.load(path))
    mend = f"one from `hubctl setup` is made anew by `hubctl setup`; else put the new one at {path}, then restart"
    if days < 0:
        yield fault(f"{path} expired {-days} days ago", mend)
    elif days < _LAST_DAYS:
        yield warning(f"{path} has {days} days left", mend)
    else:
        yield ok(f"{path} has {days} days left")


def docker(_settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether the engine answers."""
    with images.engine() as client:
        yield ok(f"Docker {client.version()['Version']} answers")


def pam(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether the hub has a service of its own, which lets in its users alone."""
    path = layout.pam_service
    if path.exists():
        yield ok(f"{path} is there")
    else:
        yield warning(f"{path} is not there, so the hub asks PAM's service `login`", "`hubctl setup` writes it")


def groups(settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether the host knows the groups that the settings name; a group that it does not know has no members."""
    unknown = {
        "allowed_groups": [name for name in settings.allowed_groups if homes.group_id(name) is None],
        "admin_groups": [name for name in settings.admin_groups if homes.group_id(name) is None],
        "group_limits": [entry.group for entry in settings.group_limits if homes.group_id(entry.group) is None],
    }
    nobody = unknown["allowed_groups"] == settings.allowed_groups
    for key, names in unknown.items():
        for name in names:
            yield _unknown_group(key, name, closed=nobody and key == "allowed_groups")
    if not any(unknown.values()):
        yield ok("the host knows all groups of the settings")


def _unknown_group(key: str, name: str, *, closed: bool) -> Finding:
    """A mistake of typing, or a domain that is not asked."""
    near = get_close_matches(name, [entry.gr_name for entry in grp.getgrall()], 1)
    mend = f"correct `{key}` in hub.yaml{f' (did you mean {near[0]}?)' if near else ''}, or make the group: "
    mend += f"`groupadd {name}`; one of the domain is there when `getent group {name}` shows it"
    found = f"{key} names the group {name}, which this host does not know"
    return fault(f"{found}; nobody can log in", mend) if closed else warning(found, mend)
