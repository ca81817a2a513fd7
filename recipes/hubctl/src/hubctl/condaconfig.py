"""Where conda finds the channel ``hubforge``: a file of our own in the prefix, and the login in ``~/.netrc``.

The shipped ``PREFIX/.condarc`` names the channel; what is here only says what stands behind the name, so an upgrade
finds that file as it was. conda reads ``PREFIX/condarc.d`` for base and every environment of the prefix. A password is
in neither: conda's HTTP library takes it from ``~/.netrc``, so no address, record or message of conda's can show it.
"""

import netrc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from hubctl import layout as places
from hubctl import wholefile, yamlfile
from hubctl.errors import HubError
from hubctl.layout import Layout

NAME = "hubforge"
"""The channel, as the shipped `.condarc` and conda's history name it."""

DEFAULT = f"file:///srv/conda/{NAME}"
"""What stands behind the name without a file of ours: the shipped `channel_alias` with the name."""

_HEAD = "# Written by `hubctl channel set` and `hubctl channel add`; they replace it as a whole.\n"


@dataclass(frozen=True)
class Login:
    """Who asks a web server for the channel."""

    host: str
    user: str
    password: str


@dataclass(frozen=True)
class Source:
    """Where the channel is.

    Attributes:
        address: of the channel elsewhere, without user and password; None where it is this server's own alone.
        ca: the certificates that conda is to trust, in PEM; None for those that it brings.
    """

    address: str | None
    ca: Path | None


def file() -> Path:
    """Our part of conda's configuration."""
    return places.base_prefix() / "condarc.d" / "hubforge-channel.yml"


def ca_file() -> Path:
    """The copy of the certificates that `--ca` named."""
    return file().with_suffix(".crt")


def netrc_file() -> Path:
    """Where conda's HTTP library looks for logins of whoever runs conda."""
    return (Path.home() / ".netrc").resolve()


def read(layout: Layout) -> Source:
    """What is set.

    Raises:
        HubError: somebody has put something else into the file.
    """
    if not file().exists():
        return Source(None, None)
    values = yamlfile.read(file()).values
    try:
        addresses = values["custom_multichannels"][NAME]
        elsewhere = [str(address) for address in addresses if address != layout.channel.as_uri()]
    except (KeyError, TypeError):
        raise HubError(
            f"{file()} is not as hubctl has written it", "set the channel again: hubctl channel set URL"
        ) from None
    ca = values.get("ssl_verify")
    return Source(elsewhere[0] if elsewhere else None, Path(ca) if ca else None)


def addresses(source: Source, layout: Layout) -> list[str]:
    """What stands behind the channel's name: the one elsewhere first, then this server's own, where it has one."""
    own = [layout.channel.as_uri()] if (layout.channel / "noarch" / "repodata.json").exists() else []
    return list(dict.fromkeys([*([source.address] if source.address else []), *own]))


def write(source: Source, layout: Layout) -> None:
    """Tells conda; without a file where what conda does by itself is right."""
    found = addresses(source, layout)
    if source.ca is None and found in ([], [DEFAULT]):
        file().unlink(missing_ok=True)
        return
    document: dict[str, Any] = {"custom_multichannels": {NAME: found}}
    if source.ca:
        document["ssl_verify"] = str(source.ca)
    stream = StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(document, stream)
    file().parent.mkdir(exist_ok=True)
    wholefile.write(file(), _HEAD + stream.getvalue())


def netrc_text() -> str:
    """What stands in ``~/.netrc``; nothing where there is none.

    Raises:
        HubError: it is no UTF-8. conda, which looks there for every address but ``file://``, ends with an error then.
    """
    try:
        return netrc_file().read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise HubError(
            f"{netrc_file()} is not in UTF-8, so conda can't read it", "write it anew, then set the channel again"
        ) from None


def remember(login: Login) -> None:
    """Puts a login into ``~/.netrc``, which only its owner can read then, in the place of an earlier one for the host.

    Raises:
        HubError: the file is one that this can't be done with.
    """
    path = netrc_file()
    before = netrc_text()
    entry = f"machine {login.host} login {_quoted(login.user)} password {_quoted(login.password)}\n"
    earlier = re.compile(
        rf"^[ \t]*machine\s+{re.escape(login.host)}\s.*?(?=^[ \t]*(?:machine|default|macdef)\s|\Z)",
        re.MULTILINE | re.DOTALL,
    )
    others = earlier.sub("", before)
    default = re.search(r"^[ \t]*default\s", others, re.MULTILINE)  # has to be the last
    end = default.start() if default else len(others)
    above = others[:end] + ("\n" if others[:end] and not others[:end].endswith("\n") else "")
    wholefile.write(path, above + entry + others[end:], mode=0o600)
    try:
        kept = netrc.netrc(path).authenticators(login.host)
    except netrc.NetrcParseError as error:
        raise HubError(f"{path} can't be read: {error.msg}", "mend it, then set the channel again") from None
    if kept is None or (kept[0], kept[2]) != (login.user, login.password):
        raise HubError(
            f"{path} has a login for {login.host} already", "change it there, and set the channel without one"
        )


def login_of(host: str) -> str | None:
    """The user that conda will log in as, from ``~/.netrc``."""
    try:
        found = netrc.netrc(netrc_file()).authenticators(host)
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return None
    return found[0] if found else None


@contextmanager
def undone_on_failure() -> Iterator[None]:
    """Gives all of our files back what they held, when the block ends with an error."""
    before = {path: (path.read_bytes(), path.stat().st_mode & 0o777) for path in _files() if path.exists()}
    try:
        yield
    except BaseException:
        for path in _files():
            if path in before:
                wholefile.write(path, *before[path])
            else:
                path.unlink(missing_ok=True)
        raise


def _files() -> tuple[Path, ...]:
    return file(), ca_file(), netrc_file()


def _quoted(value: str) -> str:
    """As Python's netrc reads it: in double quotes, a backslash before what would end them."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
