"""``hubctl cert``: the key and certificate that browsers see.

What reads them is loaded by the commands: whoever completes a word on the command line need not wait for it.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubctl import checksum, daemon, wholefile, workfolder
from hubctl import layout as places
from hubctl.doctor.command import say
from hubctl.doctor.finding import State, fault
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.reload import renew_certificate, say_without_hub
from hubctl.settings import Settings, load

if TYPE_CHECKING:
    from hubctl.tlspair import Files

app = typer.Typer(
    help="Checks and replaces the key and certificate that browsers see.\n\nExample: hubctl cert check",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def check(
    host: Annotated[str | None, typer.Option(help="The name that users type, if not this host's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check the pair in place: dates, chain, whether the key belongs to it, host name, modes.

    Exits with 1 where there is a fault; warnings are none.

    Example: hubctl cert check --host hub.example.org
    """
    from hubctl import tlspair

    layout = Layout.current()
    files = _in_place(load(layout.settings), layout)
    try:
        found = [*tlspair.examine(files, _names(host)), *tlspair.modes(files)]
    except HubError as error:
        found = [fault(error.what, error.do)]
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            say("certificate", finding)
    if any(finding.state == State.FAULT for finding in found):
        raise typer.Exit(1)


@app.command()
def install(
    key: Annotated[Path, typer.Argument(help="Private key, PEM, not encrypted.", metavar="KEY")],
    cert: Annotated[Path, typer.Argument(help="The certificate, then its chain, PEM.", metavar="CERT")],
    host: Annotated[str | None, typer.Option(help="The name that users type, if not this host's own.")] = None,
) -> None:
    """Put a key and a certificate in place, when they can be used. The pair before stays beside it, with the date.

    Example: hubctl cert install site.key site-and-chain.crt
    """
    from hubctl import newpair, tlspair

    checksum.opened(cert).close()  # else it would be missed as the hub's own
    layout = Layout.current()
    settings = load(layout.settings)
    target = _in_place(settings, layout)
    warnings, kept = newpair.install(tlspair.Files(key, cert), target, _names(host), layout)
    for finding in warnings:
        say("certificate", finding)
    print(f"{target.cert} and {target.key} are the new ones.")
    _say_kept(kept)
    _show(settings, layout)


@app.command("self-signed")
def self_signed() -> None:
    """Make a new self-signed pair for this host's names, as `hubctl setup` does where there is none.

    The pair before stays beside it, with the date.

    Example: hubctl cert self-signed
    """
    from hubctl import newpair
    from hubctl.onestep import New

    layout = Layout.current()
    settings = load(layout.settings)
    if settings.tls != Settings().tls:
        raise HubError(
            f"`tls:` in hub.yaml names {settings.tls.cert}",
            "`hubctl config unset tls` brings back the place of our own",
        )
    target = _in_place(settings, layout)
    with workfolder.made(layout, "self-signed", f"{target.cert} is as it was") as work:
        made = Layout(work)
        ran = _make(made, layout)
        if ran.returncode:
            raise typer.Exit(ran.returncode)
        record = {layout.installed: New(made.installed, 0o644)}
        kept = newpair.put(_in_place(settings, made), target, layout, record)
    print(ran.stdout, end="")
    _say_kept(kept)
    _show(settings, layout)


def _show(settings: Settings, layout: Layout) -> None:
    """Lets a proxy that runs take the new pair up; users' connections go on."""
    if daemon.proxy_process(layout):
        renew_certificate(settings, layout)
        print("New connections get the new certificate from now on.")
        say_without_hub(layout)


def _make(made: Layout, layout: Layout) -> subprocess.CompletedProcess[str]:
    """Lets the step of `hubctl setup` make it in a root of its own, with what is known of the pair before: from then
    on the step knows this one as its own, and renews it.

    What the step says that it has changed is true when the pair is in its place, and is not said here.
    """
    made.state.mkdir(parents=True)
    _in_place(Settings(), made).key.parent.mkdir(parents=True)
    if layout.installed.exists():
        wholefile.copy(layout.installed, made.installed, 0o600)
    steps = places.shipped("post_install")
    arguments = ["--root", str(made.root), "--prefix", str(places.base_prefix()), "--only", "tls"]
    return subprocess.run([sys.executable, "-I", "-B", str(steps), *arguments], stdout=subprocess.PIPE, text=True)


def _in_place(settings: Settings, layout: Layout) -> Files:
    from hubctl.tlspair import Files

    return Files(layout.below(settings.tls.key), layout.below(settings.tls.cert))


def _names(host: str | None) -> list[str]:
    from hubctl import tlspair

    return [host] if host else tlspair.host_names()


def _say_kept(kept: dict[Path, Path]) -> None:
    if kept:
        print(f"The pair before: {', '.join(map(str, kept.values()))}")
