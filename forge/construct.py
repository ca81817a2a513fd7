"""``construct.yaml``: constructor's file format, read by this project's own tools.

The schema beside this module is the structure of constructor 3.16.3's own. A key that constructor knows and this
project does not act on is refused by name, so that nobody believes in a setting without effect.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
from jinja2 import Environment as Jinja
from jinja2 import StrictUndefined, TemplateError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from forge.errors import ForgeError

FIXED: Mapping[str, object] = {
    "installer_type": "sh",
    "check_path_spaces": True,
    "keep_pkgs": True,
    "register_envs": False,
    "initialize_by_default": False,
}
"""Keys for which this project does one thing only: another value is refused."""

NEEDED = frozenset(
    {"name", "version", "installer_filename", "license_file", "default_prefix", "channels", "channels_remap"}
    | {"specs", "condarc", "post_install"}
)

HONOURED = NEEDED | FIXED.keys() | {"company", "extra_envs"}
"""The keys that have an effect here."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """An environment to be solved: ``base`` or the name of an extra one, and its match specs."""

    name: str
    specs: tuple[str, ...]


@dataclass(frozen=True)
class Construct:
    """What ``construct.yaml`` asks for.

    ``channel`` is the address that the installed packages will be known by; ``post_install`` and ``license_file`` are
    files of the checkout.
    """

    name: str
    version: str
    filename: str
    license_file: Path
    default_prefix: str
    channel: str
    environments: tuple[EnvironmentSpec, ...]
    condarc: Mapping[str, Any]
    post_install: Path


def read(path: Path) -> Construct:
    """Reads and checks the file.

    Raises:
        ForgeError: the file is missing, is not YAML, breaks constructor's schema, or holds a key or value that has no
            effect here; every such place is named with its line.
    """
    text = _rendered(path)
    data = _load(path, text)
    problems = [*_schema_problems(data), *_unhonoured(data), *_conditions(text)]
    if problems:
        raise ForgeError(
            f"{path.name} can't be used:\n" + "\n".join(f"  {problem}" for problem in problems),
            f"Mend {path}. Keys that have an effect: {', '.join(sorted(HONOURED))}.",
        )
    return Construct(
        name=data["name"],
        version=str(data["version"]),
        filename=data["installer_filename"],
        license_file=_file(path, data, "license_file"),
        default_prefix=data["default_prefix"],
        channel=data["channels_remap"][0]["dest"],
        environments=(
            EnvironmentSpec("base", tuple(data["specs"])),
            *(EnvironmentSpec(name, tuple(env["specs"])) for name, env in data.get("extra_envs", {}).items()),
        ),
        condarc=json.loads(json.dumps(data["condarc"])),
        post_install=_file(path, data, "post_install"),
    )


def condarc_text(construct: Construct) -> str:
    """The ``.condarc`` of the base prefix, byte for byte as constructor writes it, so that ``-u`` finds none edited."""
    stream = StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(dict(construct.condarc), stream)
    return f"{stream.getvalue()}\n"


def _rendered(path: Path) -> str:
    """The file's text; constructor reads it as a Jinja template that knows ``environ``."""
    try:
        return Jinja(undefined=StrictUndefined).from_string(path.read_text()).render(environ=os.environ)
    except FileNotFoundError:
        raise ForgeError(f"{path} is missing", "Run this from a checkout of the project.") from None
    except TemplateError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ForgeError:
    return ForgeError(f"{path.name} can't be read: {' '.join(str(error).split())}", f"Mend {path}.")


def _load(path: Path, text: str) -> Any:
    try:
        data = YAML().load(text)
    except MarkedYAMLError as error:
        raise _unreadable(path, error) from error
    if not isinstance(data, dict):
        raise ForgeError(f"{path.name} holds no settings", f"Mend {path}.")
    return data


def _conditions(text: str) -> list[str]:
    """Lines whose end constructor takes for the condition under which they count, as conda-build's recipes have it."""
    lines = enumerate(text.splitlines(), start=1)
    return [
        f"line {number}: constructor takes {found[1]} for a condition; write the list with a line for each item"
        for number, line in lines
        if not line.lstrip().startswith("#") and (found := re.search(r"(\[[^\[\]]+\])\s*$", line))
    ]


def _schema_problems(data: Any) -> list[str]:
    schema = json.loads(Path(__file__).with_name("constructor.schema.json").read_text())
    errors = jsonschema.Draft202012Validator(schema).iter_errors(data)
    return [f"{_place(data, list(error.absolute_path))}{error.message}" for error in errors]


def _unhonoured(data: Any) -> list[str]:
    """Keys without effect here, fixed keys with another value, and needed keys that are missing."""
    known = json.loads(Path(__file__).with_name("constructor.schema.json").read_text())["properties"]
    problems = [
        f"{_place(data, [key])}{key}: constructor knows this key, this project does nothing with it"
        for key in data
        if key in known and key not in HONOURED
    ]
    problems += [
        f"{_place(data, [key])}{key}: only {json.dumps(value)} is possible here"
        for key, value in FIXED.items()
        if data.get(key, value) != value
    ]
    problems += [f"{key}: missing" for key in sorted(NEEDED) if not data.get(key)]
    for name, env in (data.get("extra_envs") or {}).items():
        problems += [
            f"{_place(data, ['extra_envs', name, key])}extra_envs.{name}.{key}: this project does nothing with it"
            for key in env
            if key != "specs"
        ]
    return problems


def _place(data: Any, keys: list[Any]) -> str:
    """``line N: `` of the innermost of ``keys`` whose line is known. Jinja's own lines count: it keeps them."""
    line = None
    node: Any = data
    for key in keys:
        try:
            position = node.lc.key(key) if isinstance(key, str) else node.lc.item(key)
            line, node = position[0] + 1, node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return f"line {line}: " if line else ""


def _file(path: Path, data: Any, key: str) -> Path:
    file: Path = path.parent / data[key]
    if not file.is_file():
        raise ForgeError(f"{path.name}: {key}: {data[key]} does not exist", f"Mend {key} in {path}.")
    return file
