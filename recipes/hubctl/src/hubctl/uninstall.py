"""``hubctl uninstall``: what the installer has put in goes, by the installer itself."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hubctl import installerfile
from hubctl import layout as places
from hubctl.errors import HubError


def uninstall(
    installer: Annotated[
        Path | None,
        typer.Argument(help="What this was installed from, or that of another release.", metavar="INSTALLER"),
    ] = None,
    purge: Annotated[bool, typer.Option("--purge", help="Settings, database and users' shared files, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove this installation, as `bash INSTALLER --uninstall` does: it lists what goes, and asks.

    The prefix keeps no copy of that file. Exits with the code of the installer.

    Example: hubctl uninstall hub-installer.sh
    """
    if installer is None:
        raise HubError(
            f"The installer removes {places.base_prefix()}, which keeps no copy of it",
            "copy hub-installer.sh, of this or another release, to this server, then `hubctl uninstall "
            "hub-installer.sh`; nothing was removed",
        )
    if not installer.is_file():
        raise HubError(f"{installer} is not there", "it is the file that this was installed from; nothing was removed")
    installerfile.check(installer)
    options = ["--uninstall", "-p", str(places.base_prefix())]
    options += ["--purge"] if purge else []
    options += ["-b"] if yes else []
    sys.stdout.flush()
    # in the place of this program, whose files go
    os.execvp("bash", ["bash", str(installer.absolute()), *options])
