"""Checks of what the hub needs from the host, however users log in."""

import grp
from collections.abc import Iterator
from difflib import get_close_matches

from hubctl import homes, images, tlspair
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.layout import Layout
from hubctl.settings import Settings


def certificate(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether browsers accept it, and only the hub can read its key."""
    files = tlspair.Files(layout.below(settings.tls.key), layout.below(settings.tls.cert))
    yield from tlspair.examine(files, tlspair.host_names())
    if files.key.exists():
        yield from tlspair.modes(files)


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
