"""Whether a hub that runs can be used: its process may be there, and nobody be served."""

import http.client
from collections.abc import Iterator

from hubctl import api, hubaddress, status, systemd
from hubctl.doctor.finding import Finding, fault, ok
from hubctl.layout import Layout
from hubctl.settings import Settings

ANSWER_SECONDS = 5
"""How long the hub may take; a busy one takes less than a tenth of it."""

_RENEW = "`hubctl stop` and `hubctl start` renew it; `hubctl logs` shows what it said last"


def answers(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Asks a hub that runs, by itself and through its proxy; nothing is told of one that does not run."""
    pid = status.hub_pid(layout)
    if pid is None:
        return
    if problem := _hub_problem(settings):
        yield fault(
            f"the hub (process {pid}) does not answer ({problem})",
            "unless it was started just now: `hubctl logs` shows what it is at, `hubctl restart` starts it anew",
        )
        return
    url = api.public_url(settings)
    try:
        answer = api.get(settings, layout, "/hub/health", timeout=ANSWER_SECONDS)
    except OSError as error:
        yield fault(f"the hub answers, but its proxy does not, at {url} ({error})", _RENEW)
    except api.NotOurHubError as error:
        yield fault(
            f"the hub answers, but at {url} there is another program, or the proxy with a certificate from before"
            f" ({error})",
            "`hubctl reload` lets the proxy take the new one; `ss -ltnp` shows who has the port",
        )
    else:
        if answer.status == http.client.OK:
            yield ok(f"the hub answers at {url}, through its proxy")
        else:
            yield fault(f"the hub answers, but its proxy does not lead to it (status {answer.status})", _RENEW)


def _hub_problem(settings: Settings) -> str:
    """Why the hub itself, without its proxy, does not answer; empty where it does."""
    address, port = hubaddress.of(settings), settings.internal_ports.hub
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/hub/health")
        code = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or repr(error)
    finally:
        connection.close()
    return "" if code == http.client.OK else f"status {code}"


def service(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """What systemd says of its units; nothing where it does not run the hub."""
    if not systemd.runs_the_hub(layout):
        return
    for unit in (systemd.UNIT, *([systemd.PROXY_UNIT] if settings.proxy_service else [])):
        state = systemd.show(unit, "SubState", "Result", "NRestarts")
        if state["SubState"] in systemd.ENDED and state["Result"] != "success":
            yield fault(
                f"{unit} has failed (Result={state['Result']}, started again {state['NRestarts']} times)",
                "`hubctl logs` shows why; when that is mended, `hubctl start`",
            )
        elif state["SubState"] == "dead":
            yield ok(f"{unit} does not run; `hubctl start` starts it")
        else:
            yield ok(f"{unit} is {state['SubState']}")
