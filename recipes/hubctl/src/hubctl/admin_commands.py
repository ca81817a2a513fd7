"""``hubctl admin``: who has the admin page."""

import dataclasses
import json
import sys
from typing import Annotated

import typer

from hubctl import admins, daemon, homes, settings_edit, systemd, tables, users
from hubctl.config_commands import say_restart
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import load

app = typer.Typer(
    help="Shows and changes who has the admin page.\n\nExample: hubctl admin list",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Names = Annotated[list[str], typer.Argument(help="Users.", metavar="NAME...")]


@app.command("list")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the administrators, and what makes each one: hub.yaml, a group, or another administrator on the admin page.

    Example: hubctl admin list
    """
    layout = Layout.current()
    found = admins.find(load(layout.settings), layout)
    if as_json:
        print(json.dumps([dataclasses.asdict(admin) for admin in found], indent=2))
    else:
        tables.show(("user", "by"), [(admin.name, admin.by) for admin in found])


@app.command()
def add(names: Names) -> None:
    """Give users the admin page, in `admin_users` of hub.yaml; all of them, or nobody.

    Example: hubctl admin add alice
    """
    layout = Layout.current()
    settings = load(layout.settings)
    there = settings.admin_users
    new = [name for name in dict.fromkeys(names) if name not in there]
    settings_edit.with_values(layout.settings, {("admin_users",): [*there, *new]})  # a mistake in one comes first
    for name in dict.fromkeys(names):
        if name in new:
            settings_edit.add(layout.settings, "admin_users", name)
        print(f"{name} is an administrator{'' if name in new else ' already'}.")
        if settings.auth != "shared-password" and not homes.has_account(name):
            hint = f"nobody can log in as {name} until it has one"
            print(f"hubctl: this server has no account {name}: {hint}", file=sys.stderr)
    if new:
        say_restart(layout)


@app.command()
def remove(names: Names) -> None:
    """Take the admin page away, in `admin_users` of hub.yaml and in what the hub remembers.

    Members of `admin_groups` stay administrators: take them out of the group.

    Example: hubctl admin remove alice
    """
    layout = Layout.current()
    settings = load(layout.settings)
    names = list(dict.fromkeys(names))
    there = {admin.name: admin.by for admin in admins.find(settings, layout)}
    for name in names:
        _check_removable(name, there.get(name))
    for name in names:
        if name in settings.admin_users:
            settings_edit.remove(layout.settings, "admin_users", name)
        if daemon.running(layout) or (systemd.runs_the_hub(layout) and systemd.main_process()):
            users.revoke_admin(settings, layout, name)
        else:
            admins.forget(layout, name)
        print(f"{name} is no administrator any more.")
    say_restart(layout)


def _check_removable(name: str, by: str | None) -> None:
    if by is None:
        raise HubError(f"{name} is no administrator", "`hubctl admin list` shows them")
    if by.startswith("group "):
        raise HubError(
            f"{name} is an administrator by the {by}",
            f"`gpasswd -d {name} {by.removeprefix('group ')}` takes the user out of it",
        )
