"""``hubctl backup`` and ``hubctl restore``."""

from pathlib import Path
from typing import Annotated

import typer

from hubctl import backup as backups
from hubctl import restore as restores
from hubctl.layout import Layout
from hubctl.questions import confirm
from hubctl.units import say_memory


def backup(
    file: Annotated[Path, typer.Argument(help="A new file; a backup is never overwritten.", metavar="FILE")],
) -> None:
    """Write the hub into one file, while it runs: database, secrets, key and certificate, settings, Python files.

    The lists of installed packages are in it, too. Users' files and the packages themselves are not. Whoever has the
    file can act as any user: it is for root alone (0600).

    Example: hubctl backup hub-2026-11-30.tar.gz
    """
    manifest = backups.write(file, Layout.current())
    print(f"{file}: {len(manifest.sums)} files of release {manifest.release}, {say_memory(file.stat().st_size)}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `hubctl backup` has written.", metavar="FILE")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make this server the hub of a backup: its users, tokens and logins go on. The hub must not run.

    The file is checked as a whole before anything is asked or changes. What is there now is backed up before.

    Example: hubctl restore hub-2026-11-30.tar.gz
    """
    layout = Layout.current()
    if layout.database.exists() and not yes:
        found = restores.examine(file, layout)
        what = f"Replace the hub of this server, {layout.database} included"
        confirm(f"{what}, with that of {found.host} of {found.made}?", abort=True)
    done = restores.restore(file, layout)
    print(f"This is the hub of {done.manifest.host} of {done.manifest.made}, release {done.manifest.release}.")
    if done.before:
        print(f"What was here before: {done.before}")
    if done.damaged:
        print(f"The database that was here is damaged, and not in that backup. As it was: {done.damaged}")
    for path in done.removed:
        print(f"{path} is not in the backup, and was put aside: {path.name}.before-restore")
    print("Now `hubctl setup` makes the host fit, and `hubctl start` starts the hub.")
