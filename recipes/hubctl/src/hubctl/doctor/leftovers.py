"""What a dead hub has left behind, and who has its ports: found by what processes hold, never by their names."""

from collections.abc import Iterator

from hubctl import daemon, processes, systemd
from hubctl import layout as places
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.layout import Layout
from hubctl.processes import Process
from hubctl.settings import Settings


def check(settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Whether something is left of a hub that was killed, or another program has one of the hub's ports."""
    if systemd.runs_the_hub(layout) and (pid := systemd.main_process()):
        yield ok(f"the hub runs (process {pid}), by systemd")
        return
    if hub := daemon.running(layout):
        yield ok(f"the hub runs (process {hub.pid})")
        return
    left = find(settings, layout)
    for process in left:
        held = [str(port) for _, port in _ports(settings) if process in processes.listeners(port)]
        what = f"process {process.pid} ({process.command})"
        holds = f", which has port {' and '.join(held)}" if held else ""
        yield warning(f"a dead hub has left {what}{holds}", "`hubctl doctor --end-leftovers` ends exactly these")
    strangers = list(_strangers(settings, left))
    yield from strangers
    if not left and not strangers:
        yield ok("nothing is left of a hub that does not run any more, and its ports are free")


def find(settings: Settings, layout: Layout) -> list[Process]:
    """Processes of a hub that does not run any more: its services, and its proxy by the pid file or by our ports."""
    if daemon.running(layout) or (systemd.runs_the_hub(layout) and systemd.main_process()):
        return []
    by_port = [
        process
        for _, port in _ports(settings)
        for process in processes.listeners(port)
        if processes.is_proxy(process.pid, places.environment(), layout.root)
    ]
    return list(dict.fromkeys([*daemon.leftovers(layout), *by_port]))


def _ports(settings: Settings) -> list[tuple[str, int]]:
    """The hub's ports, and the settings that they come from."""
    internal = settings.internal_ports
    ports = [("port", settings.port), ("internal_ports.hub", internal.hub)]
    return [*ports, ("internal_ports.proxy_api", internal.proxy_api)]


def _strangers(settings: Settings, left: list[Process]) -> Iterator[Finding]:
    for key, port in _ports(settings):
        found = processes.listeners(port)
        if any(process in left for process in found) or not processes.listens(port):
            continue
        who = ", ".join(f"process {process.pid} ({process.command})" for process in found) or "another user's process"
        yield fault(
            f"port {port} is taken by {who}, so the hub can't start",
            f"end it, if it should not be there (`ss -ltnp` shows more), or `hubctl config set {key} NUMBER`",
        )
