"""The machine's own apt sources, read; and the ``deb-src`` view of another release derived from them.

Formats: sources.list(5), both the one-line and the deb822 style.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

KEPT_OPTIONS = ("signed-by", "check-valid-until", "valid-until-max", "valid-until-min", "check-date", "by-hash")
"""What an entry says about trust and freshness stays; what would switch the verification off (``trusted``,
``allow-insecure``, …) does not, because the hashes in the lock rest on it."""

_ONE_LINE = re.compile(r"deb(?:-src)?\s+(?:\[(?P<options>[^]]*)]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)")
_SUFFIXES = ("", "-updates", "-security")


@dataclass(frozen=True)
class Entry:
    """One repository: where it is, which suites and components of it, and apt's options for it (lower-case names)."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()


def parse_one_line(text: str) -> Iterator[Entry]:
    """The entries of a ``.list`` file."""
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match:
            pairs = (option.partition("=")[::2] for option in (match["options"] or "").split())
            options = tuple((name.lower(), value.replace(",", " ")) for name, value in pairs)
            yield Entry((match["uri"],), (match["suite"],), tuple(match["components"].split()), options)


def parse_deb822(text: str) -> Iterator[Entry]:
    """The entries of a ``.sources`` file, without the disabled ones."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if "types" not in fields or fields.get("enabled", "yes").strip().lower() in ("no", "false", "0"):
            continue
        uris, suites, components = (tuple(fields.pop(k, "").split()) for k in ("uris", "suites", "components"))
        yield Entry(uris, suites, components, tuple(fields.items()))


def _fields(stanza: str) -> dict[str, str]:
    """A deb822 stanza's fields; continuation lines (an inline key) keep their line ends."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            fields[name] += f"\n{line}"
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def read_machine(source_list: Path, source_parts: Path) -> list[Entry]:
    """Every entry that apt reads on this machine."""
    lists = [source_list, *sorted(source_parts.glob("*.list"))]
    entries = [entry for path in lists if path.is_file() for entry in parse_one_line(path.read_text())]
    for path in sorted(source_parts.glob("*.sources")):
        entries.extend(parse_deb822(path.read_text()))
    return entries


def derive(entries: list[Entry], codename: str, target: str) -> list[Entry]:
    """The entries of Debian ``codename`` (with its updates and security), as entries of the release ``target``.

    Only the component ``main`` is taken where there is one; the same repository named twice appears once.
    """
    renamed = {codename + suffix: target + suffix for suffix in _SUFFIXES}
    derived: dict[tuple[tuple[str, ...], tuple[str, ...]], Entry] = {}
    for entry in entries:
        suites = tuple(renamed[suite] for suite in entry.suites if suite in renamed)
        uris = tuple(real.rstrip("/") for uri in entry.uris for real in _mirrors(uri))
        if suites and uris:
            components = ("main",) if "main" in entry.components else entry.components
            options = tuple((name, value) for name, value in entry.options if name in KEPT_OPTIONS)
            derived.setdefault((uris, suites), Entry(uris, suites, components, options))
    return list(derived.values())


def _mirrors(uri: str) -> list[str]:
    """``uri``, or what the machine's mirror list that it points to holds (apt-transport-mirror(1))."""
    if not uri.startswith("mirror+file:"):
        return [uri]
    path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def logins(entry: Entry) -> Iterator[str]:
    """A line for each address with a user and a password in it, as apt_auth.conf(5) has them."""
    for uri in entry.uris:
        parts = urlsplit(uri)
        if parts.username:
            names = f"login {unquote(parts.username)} password {unquote(parts.password or '')}"
            yield f"machine {_without_login(uri)} {names}"


def without_logins(entry: Entry) -> Entry:
    """The entry with addresses that anybody may read."""
    return replace(entry, uris=tuple(map(_without_login, entry.uris)))


def _without_login(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.username else uri


def as_deb822(entries: Iterable[Entry], kind: str = "deb-src") -> str:
    """A ``.sources`` file that holds ``entries`` as ``kind``."""
    stanzas = []
    for entry in entries:
        lines = [f"Types: {kind}", f"URIs: {' '.join(entry.uris)}", f"Suites: {' '.join(entry.suites)}"]
        if entry.components:
            lines.append(f"Components: {' '.join(entry.components)}")
        lines += [f"{name.title()}: {value}" for name, value in entry.options]
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)
