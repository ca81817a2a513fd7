"""``hubctl channel``: where conda finds packages."""

import getpass
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit, urlunsplit

import typer

from hubctl import checksum, condaconfig, condapackages, localchannel, wholefile
from hubctl import layout as places
from hubctl.condaconfig import Login, Source
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.upgrading.surroundings import surroundings

app = typer.Typer(
    help="Says where conda finds packages, and adds packages on a server without network."
    "\n\nExample: hubctl channel add hub-installer.sh",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

RELEASE = re.compile(r"noarch/hubforge-(\d[^-]*)-")
"""The place of the package that is a release."""


@app.command("set")
def set_address(
    address: Annotated[
        str,
        typer.Argument(
            help="https://, http:// or file://. With USER@ in it the password is asked for, or read as a line of "
            "standard input.",
            metavar="URL",
        ),
    ],
    ca: Annotated[
        Path | None, typer.Option("--ca", help="Certificates of the authority to trust, in PEM.", metavar="FILE")
    ] = None,
) -> None:
    """Let conda, in base and in the hub's environment, install from the channel at URL. It is tried first.

    A password goes to `~/.netrc` of whoever runs this, and nowhere else; one that stands there already is used.

    Example: hubctl channel set https://mirror.example.com/hubforge --ca site-ca.crt
    """
    layout = Layout.current()
    address, login = _split(address)
    if not address.startswith("file:"):
        condaconfig.netrc_text()
    elsewhere = None if address == layout.channel.as_uri() else address
    source = Source(elsewhere, condaconfig.ca_file() if ca else None)
    try:
        with condaconfig.undone_on_failure():
            _keep_certificates(ca)
            if login:
                condaconfig.remember(login)
            condaconfig.write(source, layout)
            # this server's own may have no package yet, and is the way back from all others
            there = releases(address) if condaconfig.addresses(source, layout) else []
    except OSError as error:
        raise HubError(f"{error.filename} can't be written: {error.strerror}", "run this as root") from None
    print(f"conda installs from {address}; releases there: {', '.join(there) or 'none'}")


@app.command()
def add(
    source: Annotated[
        Path, typer.Argument(help="An installer, a channel as a folder or a .tar, or packages.", metavar="FILE_OR_DIR")
    ],
) -> None:
    """Add packages to this server's own channel, /srv/conda/hubforge, for conda to install without network.

    Every hash is checked first. What is in the channel stays, and nothing in it is rewritten.

    Example: hubctl channel add hub-installer.sh
    """
    layout = Layout.current()
    added = localchannel.add(source, layout.channel)
    condaconfig.write(condaconfig.read(layout), layout)
    print(f"{layout.channel}: {len(added.new)} packages added, {len(added.known)} were there already")
    if added.locks:
        versions = dict.fromkeys(place.split("/")[1] for place in added.locks)
        print(f"Locks of {', '.join(versions)} are in {layout.channel / condapackages.LOCKS}")
    conda = places.base_prefix() / "bin" / "conda"
    for place in added.new:
        if release := RELEASE.match(place):
            version = release[1]
            print(f"Release {version} can be installed: {conda} install -n jupyterhubenv hubforge={version}")


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show where conda finds packages, as whom it asks, and which releases are there.

    Example: hubctl channel show
    """
    layout = Layout.current()
    source = condaconfig.read(layout)
    found = condaconfig.addresses(source, layout)
    host = urlsplit(source.address or "").hostname
    user = condaconfig.login_of(host) if host else None
    words = " and ".join(found)
    if as_json:
        there = releases(words) if found else []
        document = {"addresses": found, "ca": str(source.ca) if source.ca else None, "user": user, "releases": there}
        print(json.dumps(document, indent=2))
        return
    if not found:
        print("no channel yet: hubctl channel add FILE_OR_DIR, or hubctl channel set URL")
        return
    print("\n".join(f"channel: {address}" for address in found))
    if source.ca:
        print(f"certificates: {source.ca}")
    if user:
        print(f"login: {user}, from {condaconfig.netrc_file()}")
    print(f"releases: {', '.join(releases(words)) or 'none'}")


def _split(text: str) -> tuple[str, Login | None]:
    """The address without user and password, and these.

    Raises:
        HubError: it is no address of a channel.
    """
    wrong = HubError("That is no address of a channel", "it begins with https://, http:// or file:///")
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no IPv6 address
        raise wrong from None
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http", "file") or not (host or parts.scheme == "file") or parts.query:
        raise wrong
    netloc = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    if not parts.username:
        return address, None
    return address, Login(host, unquote(parts.username), _password(parts.password, netloc))


def _password(given: str | None, host: str) -> str:
    if given is not None:
        print(
            "hubctl: a password on the command line can be read by every user of this server while it runs, and stays "
            "in the shell's history: leave it out, and it is asked for",
            file=sys.stderr,
        )
        return unquote(given)
    if sys.stdin.isatty():
        return getpass.getpass(f"Password for {host}: ")
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise HubError("No password was given", "write it to standard input, as one line")
    return password


def _keep_certificates(ca: Path | None) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if ca is None:
        condaconfig.ca_file().unlink(missing_ok=True)
        return
    with checksum.opened(ca) as content:
        data = content.read()
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError:
        raise HubError(f"{ca} holds no certificate in PEM", "it begins with -----BEGIN CERTIFICATE-----") from None
    condaconfig.ca_file().parent.mkdir(exist_ok=True)
    # without what stands between them, which may be in whatever encoding
    wholefile.write(condaconfig.ca_file(), b"".join(found.public_bytes(Encoding.PEM) for found in certificates))


def releases(channel: str) -> list[str]:
    """The releases that conda finds, the oldest first; asked anew, whatever conda remembers.

    Raises:
        HubError: conda can't read the channel.
    """
    variables = {name: value for name, value in surroundings().items() if not name.startswith("CONDA")}
    with tempfile.TemporaryDirectory() as cache:
        command = [str(places.base_program("conda")), "search", "--json", condaconfig.NAME]
        done = subprocess.run(
            command, env=variables | {"CONDA_PKGS_DIRS": cache}, capture_output=True, text=True, cwd="/"
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise HubError(f"conda fails: {(done.stderr or done.stdout).strip()[-1000:]}") from None
    if done.returncode == 0:
        return list(dict.fromkeys(record["version"] for record in answer[condaconfig.NAME]))
    if answer.get("exception_name") == "PackagesNotFoundError":
        return []
    raise HubError(f"conda can't read {channel}: {_reason(answer)}", _advice(answer))


_UNTRUSTED = re.compile(r"certificate verify failed: (.+?) \(_ssl")


def _reason(answer: dict[str, Any]) -> str:
    message = str(answer.get("message") or answer.get("error"))
    if found := _UNTRUSTED.search(message):
        return f"the certificate is refused: {found[1]}"
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line), "it says no reason").rstrip(".")


def _advice(answer: dict[str, Any]) -> str:
    if found := _UNTRUSTED.search(str(answer)):
        if "issuer" in found[1] or "self-signed" in found[1]:
            return "name the authority that it is from: --ca FILE"
        return "nothing was changed; whoever made the certificates can mend that"
    if answer.get("status_code") in (401, 403):
        return "put USER@ before the host, and the password is asked for; or write a login to ~/.netrc"
    return "nothing was changed; a channel has noarch/repodata.json below its address"
