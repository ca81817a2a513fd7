"""The host's `krb5.conf` for containers: one file, with what it includes.

Included folders hold links to elsewhere on many hosts (RHEL's crypto-policies), and a link that leads nowhere inside a
container makes Kerberos refuse the whole file. So the included files are written where they are included.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from hubctl import wholefile
from hubctl.layout import Layout

_INCLUDED_NAME = re.compile(r"[A-Za-z0-9_-]+|[^.].*\.conf")
"""Which files of a folder count (krb5.conf(5), `includedir`)."""


def write(layout: Layout) -> dict[str, str]:
    """Writes the file; gives what to mount where, read-only. Empty where the host has no `krb5.conf`."""
    source = layout.below("/etc/krb5.conf")
    if not source.is_file():
        return {}
    layout.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = layout.runtime / "krb5.conf"
    wholefile.write(target, "\n".join(_lines(source, layout, (source,))) + "\n")
    return {str(target): "/etc/krb5.conf"}


def _lines(path: Path, layout: Layout, above: tuple[Path, ...]) -> Iterator[str]:
    """The lines of a file, included ones in their place. After them, the section that they interrupted goes on.

    A file that can't be read is left out: on the host, its own Kerberos has already complained about it.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        directive, _, argument = line.partition(" ")
        if directive not in ("include", "includedir"):
            yield line
            continue
        for included in _included(directive, layout.below(argument.strip())):
            if included not in above:
                yield from _lines(included, layout, (*above, included))
        if section:
            yield section


def _included(directive: str, path: Path) -> list[Path]:
    if directive == "include":
        return [path]
    if not path.is_dir():
        return []
    return [entry for entry in sorted(path.iterdir()) if _INCLUDED_NAME.fullmatch(entry.name) and entry.is_file()]
