"""Release notes: a table of what has changed since the release before, package by package, and why.

The why is what somebody has written down in ``docs/releases/reasons.txt``, and the security patches of Debian's that
were not there before; else it is what the version says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import rattler

from forge.errors import ForgeError

TITLES = {"base": "conda's own environment (base)", "jupyterhubenv": "The hub's environment (jupyterhubenv)"}

Set = Mapping[str, str]
"""An environment: package name to ``version build``."""


@dataclass(frozen=True)
class Reason:
    """Why a package changed: to this version and all builds of it, or to one build alone.

    ``build`` is empty for all builds.
    """

    package: str
    version: str
    build: str
    text: str


def read_reasons(text: str, source: str) -> list[Reason]:
    """Reads lines of the form ``NAME VERSION [BUILD]: why``; those that begin with ``#`` count for nothing.

    Raises:
        ForgeError: a line has another form; it is named with its number in ``source``.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        about, _, why = line.partition(": ")
        words = about.split()
        if len(words) not in (2, 3) or not why.strip():
            raise ForgeError(f"{source}:{number}: not of the form `NAME VERSION [BUILD]: why`: {line}")
        name, version, *build = words
        found.append(Reason(name, version, build[0] if build else "", why.strip()))
    return found


def patched(
    before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]], packages: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """What Debian's patches that came say of the packages that are built with them.

    Args:
        before: the patches of each source package, in the release before.
        after: those of now.
        packages: the conda packages that each source package is built into.
    """
    found: dict[str, str] = {}
    for source, patches in after.items():
        came = [patch for patch in patches if source in before and patch not in before[source]]
        known = sorted(set(re.findall(r"CVE-\d{4}-\d+", " ".join(came))))
        text = f"security, {', '.join(known)}" if known else f"fix, Debian's {', '.join(came)}"
        found |= {package: text for package in packages.get(source, ()) if came}
    return found


def write(
    version: str,
    before_version: str,
    before: Mapping[str, Set],
    after: Mapping[str, Set],
    reasons: Sequence[Reason],
    patches: Mapping[str, str],
) -> str:
    """The notes of release ``version``, in Markdown; the same environments give the same text.

    Args:
        version: of the new release.
        before_version: of the release that it is compared with.
        before: the environments of that release, by their names.
        after: those of the new one.
        reasons: what was written down.
        patches: what ``patched`` found.
    """
    lines = [
        f"# Hubforge {version}",
        "",
        f"What has changed since {before_version}. How a server gets it, and goes back: [upgrade.md](../upgrade.md).",
    ]
    for name in sorted(after, reverse=True):
        rows = list(_rows(before.get(name, {}), after[name], reasons, patches))
        lines += ["", f"## {TITLES.get(name, name)}", ""]
        lines += ["| package | from | to | why |", "|---|---|---|---|", *rows] if rows else ["Nothing has changed."]
    return "\n".join(lines) + "\n"


def _rows(before: Set, after: Set, reasons: Sequence[Reason], patches: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            of_builds = old.split()[:1] == new.split()[:1]
            shown = [entry if of_builds else entry.partition(" ")[0] for entry in (old, new)]
            told = [reason.text for reason in reasons if reason.package == name and new and _is_of(reason, old, new)]
            why = _why(old, new, told + ([patches[name]] if name in patches else []))
            yield f"| {name} | {shown[0] or '-'} | {shown[1] or '-'} | {why} |"


def _why(old: str, new: str, stated: list[str]) -> str:
    if not new:
        return "removed"
    if stated:
        return "; ".join(dict.fromkeys(stated)).replace("|", "\\|")
    return _by_version(old.partition(" ")[0], new.partition(" ")[0]) if old else "new"


def _is_of(reason: Reason, old: str, new: str) -> bool:
    """Whether the change from ``old`` to ``new`` takes in what the reason speaks of."""
    if reason.build:
        return new == f"{reason.version} {reason.build}"
    told, reached = rattler.Version(reason.version), rattler.Version(new.partition(" ")[0])
    return told <= reached and (not old or rattler.Version(old.partition(" ")[0]) < told)


def _by_version(old: str, new: str) -> str:
    """What a version says by the number that has changed (semantic versioning; calendar versions say less)."""
    if old == new:
        return "rebuilt"
    if rattler.Version(new) < rattler.Version(old):
        return "went back"
    same = 0
    for left, right in zip(old.split("."), new.split("."), strict=False):
        if left != right:
            break
        same += 1
    return ("feature, new series", "feature")[same] if same < 2 else "fix"
