"""docs/settings.md, written from the types of ``hub.yaml``: every key, what it may be, its default, its meaning."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from hubctl.settings import Settings
from pydantic import BaseModel
from pydantic.fields import FieldInfo

HEAD = """\
# Reference of the settings

Every key of `/etc/jupyterhub/hub.yaml`. A key that is left out, or has no value, has its default; one that is not known
is refused. `hubctl config set KEY VALUE` takes keys as they stand here, with a number in the brackets. How to change
settings, and examples, are in [configure.md](configure.md).

Durations and sizes have units: `s`, `m`, `h`, `d`, `w`; `k`, `m`, `g`, `t`, which are powers of 1024.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([HEAD, *_table(Settings, "")])


def _table(model: type[BaseModel], above: str) -> Iterator[str]:
    """The keys of a section, then the sections below it."""
    yield from ("| key | what it may be | default | meaning |", "|---|---|---|---|")
    schemas = model.model_json_schema(mode="serialization")["properties"]
    defaults = model.model_construct().model_dump(mode="json")
    below = {}
    for name, field in model.model_fields.items():
        section = _section(field)
        many = schemas[name].get("type") == "array"
        key = f"{above}{name}"
        if section:
            below[f"{key}[]" if many else key] = section
        kind = f"[{'a list' if many else 'keys'}]({_anchor(key)})" if section else _kind(schemas[name])
        default = "must be given" if field.is_required() else _value(defaults[name]) if many or not section else ""
        yield f"| `{key}` | {kind} | {default} | {field.description} |"
    for key, section in below.items():
        yield from ("", f"## {key}", "", f"{section.__doc__}", "")
        yield from _table(section, f"{key}.")
    if not above:
        yield ""


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that has keys below it, of an entry where it is a list."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _anchor(key: str) -> str:
    """Where GitHub leads for the heading of this key."""
    return f"#{key.replace('.', '').replace('[]', '')}"


def _kind(schema: dict[str, Any]) -> str:
    """What the JSON Schema of one value says, in words."""
    if choices := [entry for entry in schema.get("anyOf", []) if entry != {"type": "null"}]:
        return _kind(choices[0])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "examples" in schema:
        return f"like {', '.join(f'`{value}`' for value in schema['examples'])}"
    if schema["type"] == "array":
        return f"a list; each {_kind(schema['items'])}"
    if schema["type"] in ("integer", "number"):
        return _number(schema)
    if schema["type"] == "boolean":
        return "`true` or `false`"
    if schema["type"] == "object":
        return "names with values"
    if "pattern" in schema:
        return "text like `{}`".format(schema["pattern"].replace("|", r"\|"))
    return {"path": "an absolute path", "ipvanyaddress": "an IP address"}.get(schema.get("format", ""), "text")


def _number(schema: dict[str, Any]) -> str:
    words = "a whole number" if schema["type"] == "integer" else "a number"
    if "maximum" in schema:
        return f"{words}, {schema['minimum']} to {schema['maximum']}"
    if "exclusiveMinimum" in schema:
        return f"{words} above {schema['exclusiveMinimum']}"
    return f"{words}, at least {schema['minimum']}"


def _value(value: Any) -> str:
    """A default as it would stand in the file."""
    if value in (None, ""):
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, list):  # of entries, what is not left out
        value = [
            {name: given for name, given in entry.items() if given} if isinstance(entry, dict) else entry
            for entry in value
        ]
    return f"`{json.dumps(value).replace(chr(34), '')}`"
