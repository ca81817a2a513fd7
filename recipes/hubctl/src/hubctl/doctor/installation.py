"""Whether a change of the installation was interrupted, and what finishes it."""

from collections.abc import Iterator

from hubctl import departure
from hubctl import layout as places
from hubctl.doctor.finding import Finding, fault, ok, warning
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.upgrading import journal
from hubctl.upgrading.prefix import FailedError


def check(_settings: Settings, layout: Layout) -> Iterator[Finding]:
    """Looks for the notes that each of them keeps until it is done."""
    state = places.base_prefix() / ".hubforge"
    try:
        begun = journal.read(state / "upgrade")
    except FailedError as error:
        yield fault(f"an upgrade was interrupted: {error}", journal.MEND)
        return
    if begun and begun.is_rollback:
        yield fault("a rollback has not come to its end", "`hubctl rollback` goes on, unless it is at work now")
    elif begun:
        yield fault(
            f"an upgrade to release {begun.release} has not come to its end",
            "`hubctl upgrade` goes on, `hubctl rollback` goes back, unless it is at work now",
        )
    elif (state / "installing").exists():
        yield fault(
            "an installer has not come to its end",
            "the same `bash hub-installer.sh` goes on, unless it is at work now",
        )
    elif left := departure.leftovers(layout):
        yield warning(
            f"an upgrade that was ended before it began has left {', '.join(map(str, left))}",
            f"unless one is at work now: rm -r {' '.join(map(str, left))}",
        )
    else:
        yield ok("no upgrade was interrupted")
