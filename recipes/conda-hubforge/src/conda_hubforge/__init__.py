"""A plugin of base's conda: a release comes to the hub's environment by ``hubctl upgrade``, by either command's name.

``conda install -n jupyterhubenv hubforge=2026.12`` would change packages alone. A release is more than these: the hub's
database, new defaults, base, the check at the end, and the way back where a step fails. So conda hands over what names
nothing but a release, and does everything else itself. The hook is one of conda's own (its developer guide, "Plugins",
pre-commands).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conda import plugins
from conda.auxlib import NULL
from conda.base.context import context

RELEASE = re.compile(r"hubforge\s*={1,2}\s*(\d[\w.]*)")

KNOWN = {"cmd", "func", "packages", "name", "prefix", "yes", "quiet", "verbosity"}
"""What of a command line ``hubctl upgrade`` does in the same way, or need not know."""


@plugins.hookimpl
def conda_pre_commands() -> Iterator[plugins.CondaPreCommand]:
    """Has ``hand_over`` called before conda installs or updates something."""
    yield plugins.CondaPreCommand("hubforge", hand_over, {"install", "update", "upgrade"})


def hand_over(command: str) -> None:
    """Becomes ``hubctl upgrade`` where that is what ``command`` comes to; returns where it is conda's own matter.

    That it is, too, where hubctl does not start: conda brings it back. An upgrade that was interrupted then goes on.
    """
    options = upgrade_options(command, context._argparse_args)
    base = Path(sys.prefix)
    environment = base / "envs" / "jupyterhubenv"
    if options is None or not _is_same(Path(context.target_prefix), environment):
        return
    hubctl, under_way = environment / "bin" / "hubctl", base / ".hubforge" / "upgrade"
    if _starts(hubctl):
        program = [str(hubctl), "upgrade", *options, *(["--yes"] if context.always_yes else [])]
    elif (under_way / "journal.json").exists():
        program = [str(under_way / "finish")]
    else:
        return
    print(f"A release is more than its packages; this does it: {' '.join(program)}", flush=True)
    os.execv(program[0], program)


def upgrade_options(command: str, arguments: Mapping[str, Any]) -> list[str] | None:
    """How ``hubctl upgrade`` is told what conda was told; None where it can't be.

    Args:
        command: ``install``, which names a release, or ``update``, which takes the newest.
        arguments: what conda's command line gives, by argparse's names.
    """
    given = {name for name, value in arguments.items() if value not in (None, False, NULL) and value != []}
    packages = arguments.get("packages") or []
    if given - KNOWN or len(packages) != 1:
        return None
    if command != "install":
        return [] if packages[0] == "hubforge" else None
    release = RELEASE.fullmatch(packages[0])
    return ["--to", release[1]] if release else None


def _is_same(prefix: Path, environment: Path) -> bool:
    """Whether a prefix is the hub's environment, by whatever path it was given: a server's /opt may be a link."""
    try:
        return prefix.samefile(environment)
    except OSError:  # one of them is not there, or may not be looked at
        return prefix == environment


def _starts(hubctl: Path) -> bool:
    """Whether a conda that was killed has left all of it that it needs."""
    try:
        return subprocess.run([str(hubctl), "--version"], capture_output=True).returncode == 0
    except OSError:
        return False
