"""Another certificate for a hub that runs, without ending anybody's connection."""

import signal
import time
from pathlib import Path

from hubctl import api, certificate
from hubctl import settings as hub_settings
from hubctl.daemon import proxy_process
from hubctl.errors import HubError
from hubctl.hostcheck import pair_problem
from hubctl.layout import Layout
from hubctl.processes import catches
from hubctl.settings import Settings
from hubctl.status import hub_pid

SHOWN_SECONDS = 10
"""How long the proxy may take to read two files."""


def reload() -> None:
    """Have the proxy take the key and certificate that lie in their files now; users' connections go on.

    A pair that does not belong together is refused, and the one before goes on.

    Example: hubctl reload
    """
    layout = Layout.current()
    settings = hub_settings.load(layout.settings)
    renew_certificate(settings, layout)
    file = layout.below(settings.tls.cert)
    days = certificate.days_left(certificate.load(file))
    print(f"New connections get the certificate in {file} ({certificate.words(days)})")
    say_without_hub(layout)


def renew_certificate(settings: Settings, layout: Layout) -> None:
    """Tells the proxy, and waits until it shows the certificate.

    Raises:
        HubError: there is no proxy, or it did not take the pair and goes on with the one before.
    """
    proxy = proxy_process(layout)
    if proxy is None:
        raise HubError("The hub's proxy does not run", "`hubctl start` takes the certificate that is there")
    if not catches(proxy.pid, signal.SIGHUP):  # it would end on it
        raise HubError("The proxy that runs is of an older release", "`hubctl stop` and `hubctl start` renew it")
    proxy.signal(signal.SIGHUP)  # it looks at the pair itself, and logs what it thinks of it
    _check_pair(layout.below(settings.tls.key), layout.below(settings.tls.cert))
    deadline = time.monotonic() + SHOWN_SECONDS
    while not _is_shown(settings, layout):
        if time.monotonic() > deadline:
            raise HubError(
                "The proxy goes on with the certificate that it had",
                "`hubctl logs` may show why; other files than at its start need `hubctl restart`",
            )
        time.sleep(0.1)


def say_without_hub(layout: Layout) -> None:
    """Says so where the proxy goes on without its hub: that was killed, or the proxy is a service of its own."""
    if hub_pid(layout) is None:
        print("The proxy alone runs, the hub does not: `hubctl start` starts it.")


def _check_pair(key: Path, cert: Path) -> None:
    try:
        problem = pair_problem(key, cert)
    except OSError as error:
        raise HubError(f"{key} or {cert} can't be read: {error.strerror}", "run this as root") from None
    if problem:
        raise HubError(
            f"{key} and {cert} are no pair ({problem}): the proxy goes on with the certificate that it had",
            "put a key and its certificate there, then `hubctl reload`",
        )


def _is_shown(settings: Settings, layout: Layout) -> bool:
    """Whether a new connection gets the certificate of the file; what the answer is, is all the same."""
    try:
        api.get(settings, layout, "/hub/health")
    except (OSError, api.NotOurHubError):
        return False
    return True
