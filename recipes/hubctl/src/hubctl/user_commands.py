"""``hubctl user``: the hub's users, their servers and tickets."""

import dataclasses
import json
from typing import Annotated

import typer

from hubctl import homes, tables, tickets, users
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import load
from hubctl.units import say_time

app = typer.Typer(
    help="Shows users, ends their servers, shows their tickets.\n\nExample: hubctl user list",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="A user.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Show all users of the running hub: administrator or not, last activity, servers.

    Example: hubctl user list --json
    """
    layout = Layout.current()
    found = users.ask(load(layout.settings), layout)
    if as_json:
        print(json.dumps([dataclasses.asdict(user) for user in found], indent=2))
        return
    rows = [
        (
            user.name,
            "admin" if user.admin else "-",
            say_time(user.last_activity) if user.last_activity else "-",
            ", ".join(server.name or "running" for server in user.servers) or "-",
        )
        for user in found
    ]
    tables.show(("user", "rights", "last activity", "servers"), rows)


@app.command()
def stop(name: Name) -> None:
    """End all servers of a user, and wait for their end. What the user has saved stays; the user can start a new one.

    Example: hubctl user stop alice
    """
    layout = Layout.current()
    ended = users.stop(load(layout.settings), layout, name)
    if not ended:
        print(f"{name} has no server that runs.")
    for server in ended:
        print(f"{name}'s server {server.name or ''}".rstrip() + " was ended.")


@app.command("tickets")
def show_tickets(name: Name, as_json: Json = False) -> None:
    """Show a user's Kerberos ticket: cache, principal, and until when it is good and can be renewed.

    Exits with 1 where there is no valid one. Run it as root.

    Example: hubctl user tickets alice
    """
    layout = Layout.current()
    settings = load(layout.settings)
    if settings.auth != "kerberos":
        raise HubError(f"Users have no tickets with `auth: {settings.auth}`", "`auth: kerberos` gives them one")
    if not homes.has_account(name):
        raise HubError(f"This server has no account {name}", "`hubctl user list` shows the hub's users")
    found = tickets.find(settings, layout, name)
    if as_json:
        print(json.dumps([ticket.as_json() for ticket in found], indent=2))
    for ticket in found if not as_json else []:
        print(f"cache: {ticket.cache}")
        print(f"principal: {ticket.principal or 'none of the realm, or it can not be read'}")
        if ticket.end:
            print(f"valid until: {say_time(ticket.end)}{'' if ticket.valid else ' (over)'}")
            until = ticket.renewable_until
            print(f"renewable until: {say_time(until) if until else 'not renewable'}")
    if not found and not as_json:
        print(f"{name} has no ticket: the next login gets one.")
    if not any(ticket.valid for ticket in found):
        raise typer.Exit(1)
