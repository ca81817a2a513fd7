"""How the hub is."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hubctl import __version__, api, certificate, systemd, tokens
from hubctl.daemon import proxy_process, running
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings


@dataclass(frozen=True)
class Server:
    """A user's server.

    Attributes:
        name: empty for the user's first one.
        started: ISO 8601, UTC.
    """

    user: str
    name: str
    ready: bool
    started: str | None
    last_activity: str | None


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
    """Asks page by page: the hub caps the length of an answer."""
    servers: list[Server] = []
    offset = 0
    try:
        token = tokens.read_or_make(layout.hubctl_token)
        while True:
            answer = api.get(settings, layout, f"/hub/api/users?state=active&offset={offset}", token=token)
            if answer.status != 200 or not isinstance(answer.body, list):
                return None
            if not answer.body:
                return servers
            offset += len(answer.body)
            servers += [_server(user["name"], entry) for user in answer.body for entry in user["servers"].values()]
    except (HubError, OSError, api.NotOurHubError):
        return None


def _server(user: str, entry: dict[str, Any]) -> Server:
    return Server(user, entry["name"], entry["ready"], entry["started"], entry["last_activity"])
