"""Checks of what the hub needs from the host, however users log in."""

import grp
import stat
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import version

from hubctl import homes, image_check, images, tlspair
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.layout import Layout
from hubctl.settings import Settings


def certificate(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether browsers accept it, and only the hub can read its key."""
    files = tlspair.Files(layout.below(settings.tls.key), layout.below(settings.tls.cert))
    yield from tlspair.examine(files, tlspair.host_names())
    yield from tlspair.modes(files)


def docker(_settings: Settings, _layout: Layout) -> Iterator[Finding]:
    """Whether the engine answers, and not to everybody."""
    path = images.socket()
    if path and path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & stat.S_IWOTH:
        yield fault(
            f"{path} lets everybody on this host be root (mode {mode:04o})",
            f"chmod o-rwx {path}; where it is open again after a restart, `SocketMode=0660` belongs in docker.socket",
        )
    with images.engine() as client:
        yield ok(f"Docker {client.version()['Version']} answers")


def image_fit(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether each image that users can choose is here, and has a server that this hub can speak to."""
    with images.engine() as client:
        found = {offered.image: images.find(layout, client, offered.image) for offered in settings.docker.images}
    for name, image in found.items():
        yield _fit(name, image, alone=not any(found.values()))


def _fit(name: str, image: images.Image | None, *, alone: bool) -> Finding:
    if image is None:
        told = f"Docker does not have the image {name}"
        mend = "`hubctl image load FILE`, or take it out of `docker.images` in hub.yaml"
        return fault(f"{told}, nor any other that users can choose", mend) if alone else warning(told, mend)
    if image.facts is None:
        return warning(f"nobody has looked whether {name} can be a user's server", f"`hubctl image check {name}`")
    ours = version("jupyterhub")
    if not image_check.fits(image.facts.jupyterhub):
        there = f"jupyterhub {image.facts.jupyterhub}" if image.facts.jupyterhub else "no jupyterhub"
        return fault(
            f"{name} has {there}, which does not fit the hub's {ours}", f"`hubctl image check {name}` says more"
        )
    return ok(f"{name} has jupyterhub {image.facts.jupyterhub}, which fits the hub's {ours}")


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
