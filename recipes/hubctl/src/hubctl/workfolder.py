"""A folder for what a command makes before it puts all of it in place in one step."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubctl import daemon
from hubctl.errors import HubError
from hubctl.fulldisk import is_full, no_space
from hubctl.layout import Layout


@contextmanager
def made(layout: Layout, command: str, undone: str) -> Iterator[Path]:
    """A folder for root alone, gone at the end. One command at a time has one, and no hub is started meanwhile.

    Args:
        layout: whose state folder it is in: on the same file system as most of what is put in place.
        command: begins its name, by which the next one finds what a killed one has left.
        undone: what is said first when something can't be written.

    Raises:
        HubError: the state folder is not there, or the system refuses something to whoever works with this folder.
    """
    if not layout.state.is_dir():
        raise HubError(f"{layout.state} is not there", "`hubctl setup` makes it")
    with daemon.alone(layout):
        try:
            for left in layout.state.glob(f".{command}-*"):
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(prefix=f".{command}-", dir=layout.state) as work:
                yield Path(work)
        except OSError as error:
            raise _refusal(error, layout, undone) from None


def _refusal(error: OSError, layout: Layout, undone: str) -> HubError:
    place = Path(error.filename or layout.state)
    if layout.journal.exists():  # some files have their new names already
        return HubError(f"Not all of it is in place: {place}: {error.strerror}", "mend it; the next `hubctl` goes on")
    if is_full(error):
        inside = place.is_relative_to(layout.state)  # in the folder itself, which is gone by now
        return no_space(undone, layout.state if inside else place.parent)
    return HubError(f"{undone}: {place}: {error.strerror}", "mend it, then run the same command again, as root")
