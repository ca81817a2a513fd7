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
        undone: what is said when the disk is full.

    Raises:
        HubError: the state folder is not there or not this user's to write in, or there is no space in it.
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
            if is_full(error):
                raise no_space(undone, layout.state) from None
            raise HubError(f"{error.filename or layout.state}: {error.strerror}", "run this as root") from None
