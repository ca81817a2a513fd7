"""How the hub is."""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from hubctl import __version__, api, certificate, systemd, tickets, users
from hubctl.daemon import proxy_process, running
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.tickets import Ticket
from hubctl.users import Server


@dataclass(frozen=True)
class Space:
    """A file system, in bytes.

    Attributes:
        path: one of the hub's folders on it.
        free: for the hub's user.
    """

    path: str
    free: int
    total: int


@dataclass(frozen=True)
class Status:
    """What ``hubctl status`` shows; as JSON, these are the keys.

    Attributes:
        url: None, as all that the settings say, where those are not valid.
        hub_pid: None when the hub does not run.
        answers: whether the hub answers over https.
        servers: None when the hub can't be asked.
        certificate_days: whole days left; negative when expired; None where there is no certificate.
        tickets: of users with ``auth: kerberos``, as far as they can be read; else None.
        disk: the file systems of the hub's state, its log and its tickets.
        error: what is wrong with the settings, for people; else None.
    """

    url: str | None
    hub_pid: int | None
    proxy_pid: int | None
    answers: bool | None
    servers: list[Server] | None
    certificate_days: int | None
    tickets: list[Ticket] | None
    disk: list[Space]
    auth: str | None
    spawner: str | None
    versions: dict[str, str]
    error: str | None

    @property
    def good(self) -> bool:
        """Whether users can log in."""
        return self.hub_pid is not None and bool(self.answers)


def gather(settings: Settings, layout: Layout) -> Status:
    """Looks at processes, port, certificate, and asks the hub for the users' servers."""
    pid = hub_pid(layout)
    proxy = proxy_process(layout)
    answers = pid is not None and api.healthy(settings, layout)
    return Status(
        url=api.public_url(settings),
        hub_pid=pid,
        proxy_pid=proxy.pid if proxy else None,
        answers=answers,
        servers=_servers(settings, layout) if answers else None,
        certificate_days=_certificate_days(settings, layout),
        tickets=_tickets(settings, layout),
        disk=_disk(layout),
        auth=settings.auth,
        spawner=settings.spawner,
        versions=versions(),
        error=None,
    )


def without_settings(error: HubError, layout: Layout) -> Status:
    """What can be told where the settings can't be read, and why they can't."""
    proxy = proxy_process(layout)
    return Status(
        url=None,
        hub_pid=hub_pid(layout),
        proxy_pid=proxy.pid if proxy else None,
        answers=None,
        servers=None,
        certificate_days=None,
        tickets=None,
        disk=_disk(layout),
        auth=None,
        spawner=None,
        versions=versions(),
        error=str(error),
    )


def hub_pid(layout: Layout) -> int | None:
    """The hub's process, whoever has started it; None when it does not run."""
    hub = running(layout)
    pid = systemd.main_process() if systemd.runs_the_hub(layout) else None
    return pid or (hub.pid if hub else None)


def versions() -> dict[str, str]:
    """Versions of what matters."""
    found = {"hubctl": __version__}
    for package in ("jupyterhub", "jupyterlab", "dockerspawner"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _certificate_days(settings: Settings, layout: Layout) -> int | None:
    try:
        return certificate.days_left(certificate.load(layout.below(settings.tls.cert)))
    except HubError:
        return None


def _servers(settings: Settings, layout: Layout) -> list[Server] | None:
    try:
        return [server for user in users.ask(settings, layout, active=True) for server in user.servers]
    except HubError:
        return None


def _tickets(settings: Settings, layout: Layout) -> list[Ticket] | None:
    if settings.auth != "kerberos":
        return None
    try:
        return tickets.find(settings, layout)
    except (HubError, OSError):
        return None


def _disk(layout: Layout) -> list[Space]:
    found: dict[int, Space] = {}
    for path in (layout.state, layout.log.parent, layout.runtime):
        if path.exists():
            space = os.statvfs(path)
            entry = Space(str(path), space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize)
            found.setdefault(path.stat().st_dev, entry)
    return list(found.values())
