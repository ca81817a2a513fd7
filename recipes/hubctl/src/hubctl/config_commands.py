"""``hubctl config``: the settings in ``hub.yaml``."""

import dataclasses
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from hubctl import daemon, settings_edit, systemd, tables
from hubctl.layout import Layout
from hubctl.settings import Settings, load
from hubctl.settings_errors import dotted
from hubctl.yamlfile import MistakesError

app = typer.Typer(
    help="Checks, shows and changes the settings, which are in hub.yaml.\n\nExample: hubctl config show",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _completed(incomplete: str) -> list[str]:
    return [key for key in settings_edit.all_keys() if key.startswith(incomplete)]


Key = Annotated[
    str,
    typer.Argument(help="As in limits.memory, docker.images[0].memory.", metavar="KEY", autocompletion=_completed),
]
Value = Annotated[str, typer.Argument(help="As it would stand in hub.yaml.", metavar="VALUE")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def validate(
    file: Annotated[Path | None, typer.Argument(help="Another file than the hub's own.", metavar="[FILE]")] = None,
    as_json: Json = False,
) -> None:
    """Check hub.yaml: each mistake with its line, its key, and what was expected. Exits with 1 where there is one.

    Example: hubctl config validate
    """
    path, mistakes = file or Layout.current().settings, []
    try:
        load(path)
    except MistakesError as error:
        if not as_json:
            raise
        mistakes = error.mistakes
    if as_json:
        told = [dataclasses.asdict(mistake) for mistake in mistakes]
        print(json.dumps({"file": str(path), "mistakes": told}, indent=2))
    else:
        print(f"{path}: in order")
    if mistakes:
        raise typer.Exit(1)


@app.command()
def show(
    key: Annotated[
        str | None,
        typer.Argument(help="Only this one and what is below it.", metavar="[KEY]", autocompletion=_completed),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the settings that are in force, the defaults included, as YAML.

    Example: hubctl config show limits
    """
    where = settings_edit.key_path(key) if key else ()
    value = settings_edit.value_at(settings_edit.in_force(load(Layout.current().settings)), where)
    print(json.dumps(value, indent=2) if as_json else _as_yaml(value), end="\n" if as_json else "")


@app.command("set")
def set_value(key: Key, value: Value) -> None:
    """Change a setting. The comments in hub.yaml stay, and so does all of it where the value is not allowed.

    Example: hubctl config set limits.memory 8g
    """
    _changed(settings_edit.set_value(Layout.current().settings, key, value), key)


@app.command()
def unset(key: Key) -> None:
    """Bring back the default of a setting or a section: their lines and comments stay, without a value.

    An item of a list goes: docker.images[1].

    Example: hubctl config unset limits.memory
    """
    found = settings_edit.unset(Layout.current().settings, key)
    _changed(found, key.rpartition("[")[0] if key.endswith("]") else key)


@app.command()
def add(key: Key, value: Value) -> None:
    """Add an item to a list. Where hub.yaml has none, to the default one.

    Example: hubctl config add allowed_groups analysts
    """
    _changed(settings_edit.add(Layout.current().settings, key, value), key)


@app.command()
def remove(key: Key, value: Value) -> None:
    """Take an item out of a list.

    Example: hubctl config remove allowed_groups analysts
    """
    _changed(settings_edit.remove(Layout.current().settings, key, value), key)


@app.command()
def diff(as_json: Json = False) -> None:
    """Show what differs from the defaults, for each key the default and what is in force.

    Example: hubctl config diff
    """
    defaults, values = (settings_edit.in_force(found) for found in (Settings(), load(Layout.current().settings)))
    rows = list(_differences(defaults, values, ()))
    if as_json:
        print(json.dumps([{"key": key, "default": old, "in force": new} for key, old, new in rows], indent=2))
    elif not rows:
        print("Every setting has its default.")
    elif not sys.stdout.isatty():
        print("\n".join(f"{key}: {_on_a_line(old)} -> {_on_a_line(new)}" for key, old, new in rows))
    else:
        tables.show(("key", "default", "in force"), [(key, _on_a_line(old), _on_a_line(new)) for key, old, new in rows])


def _differences(default: Any, value: Any, where: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(default, dict) and isinstance(value, dict):
        for name in [*default, *(name for name in value if name not in default)]:
            yield from _differences(default.get(name), value.get(name), (*where, name))
    elif default != value:
        yield dotted(where), default, value


def _changed(found: Settings, key: str) -> None:
    """Says what is in force now, and who does not know yet."""
    value = settings_edit.value_at(settings_edit.in_force(found), settings_edit.key_path(key))
    print(f"{key}: {_on_a_line(value)}")
    say_restart(Layout.current())


def say_restart(layout: Layout) -> None:
    """What was changed counts from the hub's next start."""
    if daemon.running(layout) or (systemd.runs_the_hub(layout) and systemd.main_process()):
        print("The hub that runs takes it up with `hubctl restart`.")


def _on_a_line(value: Any) -> str:
    """As YAML has it in flow style."""
    if value is None:
        return "not set"
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 2**16
    yaml.dump([_written(value)], text)
    return text.getvalue().strip()[1:-1]


def _written(value: Any) -> Any:
    """Without the keys of list entries that have no value."""
    if isinstance(value, dict):
        return {name: _written(inner) for name, inner in value.items() if inner is not None}
    return [_written(inner) for inner in value] if isinstance(value, list) else value


def _as_yaml(value: Any) -> str:
    if not isinstance(value, dict | list):
        return f"{_on_a_line(value)}\n"
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(value, text)
    return text.getvalue()
