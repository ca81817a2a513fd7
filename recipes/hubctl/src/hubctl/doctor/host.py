"""Checks of what the hub needs from the host, however users log in."""

from collections.abc import Iterator

from hubctl import certificate as certificates
from hubctl import images
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
