"""The installer's own marks, looked at before anything of the file is run.

They are values at the beginning of its text, which ``forge/installer/assemble.py`` has put there: its lengths, and the
sha256 of all that lies before the packages, but for the digits themselves. The packages it checks itself.
"""

import hashlib
import os
import re
from pathlib import Path

from hubctl import checksum
from hubctl.errors import HubError

_SUM = re.compile(rb"#!/bin/sh\n(?:#.*\n)*header_sum='([0-9a-f]{64})'\n")
_PACKAGES = re.compile(rb"^packages_offset=([0-9]{1,12})$", re.MULTILINE)
_TOTAL = re.compile(rb"^total_length=([0-9]{1,15})$", re.MULTILINE)

_HEADER_BYTES = 2**20
"""The values stand within these."""


def check(file: Path) -> None:
    """Refuses what is no installer, or is not as it was made.

    Raises:
        HubError: says which, or that the file can't be read.
    """
    with checksum.opened(file) as content:
        start = content.read(_HEADER_BYTES)
        own, packages, total = _SUM.match(start), _PACKAGES.search(start), _TOTAL.search(start)
        if not (own and packages and total):
            raise HubError(f"{file} is no installer", "nothing of it was run; give hub-installer.sh")
        size = os.fstat(content.fileno()).st_size
        content.seek(0)
        before_packages = content.read(int(packages[1]))
    summed = before_packages[: own.start(1)] + before_packages[own.end(1) :]
    if size != int(total[1]) or hashlib.sha256(summed).hexdigest() != own[1].decode():
        raise HubError(f"{file} is damaged: its own sum is another one", "copy it to this server again")
