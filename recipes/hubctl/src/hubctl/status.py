"""How the hub is."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from hubctl import __version__, api, certificate, systemd, users
from hubctl.daemon import proxy_process, running
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.users import Server


@dataclass(frozen=True)
class Status:
    """What ``hubctl status`` shows; as JSON, these are the keys.

    Attributes:
        hub_pid: None when the hub does not run.
        answers: whether the hub answers over https.
        servers: None when the hub can't be asked.
        certificate_days: whole days left; negative when expired; None where there is no certificate.
    """

    url: str
    hub_pid: int | None
    proxy_pid: int | None
    answers: bool
    servers: list[Server] | None
    certificate_days: int | None
    auth: str
    spawner: str
    versions: dict[str, str]

    @property
    def good(self) -> bool:
        """Whether users can log in."""
        return self.hub_pid is not None and self.answers


def gather(settings: Settings, layout: Layout) -> Status:
    """Looks at processes, port, certificate, and asks the hub for the users' servers."""
    hub = running(layout)
    pid = systemd.main_process() if systemd.runs_the_hub(layout) else None
    pid = pid or (hub.pid if hub else None)
    proxy = proxy_process(layout)
    answers = pid is not None and api.healthy(settings, layout)
    return Status(
        url=api.public_url(settings),
        hub_pid=pid,
        proxy_pid=proxy.pid if proxy else None,
        answers=answers,
        servers=_servers(settings, layout) if answers else None,
        certificate_days=_certificate_days(settings, layout),
        auth=settings.auth,
        spawner=settings.spawner,
        versions=versions(),
    )


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
