"""Changes of ``hub.yaml`` from the command line: made with all comments kept, checked, and only then written."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from hubctl import settings, wholefile, yamledit, yamlfile
from hubctl.errors import HubError
from hubctl.folderlock import locked
from hubctl.fulldisk import is_full, no_space
from hubctl.settings import Settings
from hubctl.settings_errors import dotted, unknown_key
from hubctl.yamlfile import KeyPath

_PART = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)(?:\.(?=.)|$)")


def key_path(key: str) -> KeyPath:
    """``docker.images[1].memory`` as the file's keys and indexes.

    Raises:
        HubError: there is no such setting; names those that there are.
    """
    where: KeyPath = ()
    model: Any = Settings
    rest = key
    while rest:
        match = _PART.match(rest)
        if not match:
            raise HubError(f"{key!r} is no key", "keys look like port, limits.memory, docker.images[0].memory")
        where = (*where, match[1])
        if model not in (dict, None) and match[1] not in model.model_fields:
            raise HubError(f"{dotted(where)}: {unknown_key(where, Settings)}")
        if model is None:
            raise HubError(f"{dotted(where)}: unknown key; {dotted(where[:-1])} has none below it")
        inside = _inside(model, match[1])
        where = (*where, *(int(index) for index in re.findall(r"\d+", match[2])))
        rest = rest[match.end() :]
        if inside is dict and rest:  # the names in it may have dots
            return (*where, rest)
        model = inside
    if not where:
        raise HubError("An empty text is no key", "keys look like port, limits.memory, docker.images[0].memory")
    return where


def _inside(model: Any, name: str) -> Any:
    """What the keys below a key are: of a model, any (``dict``), or there are none (None)."""
    kind = model.model_fields[name].annotation
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return dict if getattr(kind, "__origin__", None) is dict else None


def all_keys() -> list[str]:
    """Every key that can be set, those in lists left out."""

    def below(model: type[BaseModel], above: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            yield above + name
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from below(field.annotation, f"{above}{name}.")

    return list(below(Settings, ""))


def value_at(values: Any, where: KeyPath) -> Any:
    """What stands there; None where nothing does."""
    for part in where:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def in_force(found: Settings) -> dict[str, Any]:
    """All settings with their defaults, as ``hub.yaml`` would have them."""
    return found.model_dump(mode="json")


def set_value(path: Path, key: str, text: str) -> Settings:
    """Gives a key a value, which is read as YAML.

    Raises:
        HubError: key or value are not possible; the file is as it was.
    """
    where = key_path(key)

    def assign(tree: CommentedMap, value: Any) -> None:
        yamledit.assign(_section(tree, where), where[-1], value)

    return _first_that_fits(path, where, _readings(key, text), assign)


def unset(path: Path, key: str) -> Settings:
    """Brings back the default of a key, whose line and comments stay; takes an item out of its list.

    Raises:
        HubError: it is not set, or can't do without a value; the file is as it was.
    """
    where = key_path(key)

    def clear(tree: CommentedMap) -> None:
        if value_at(tree, where) is None:
            raise HubError(f"{dotted(where)} is not set in {path}", "its default is in force: `hubctl config show`")
        if isinstance(where[-1], int):
            yamledit.remove_item(_section(tree, where[:-1]), str(where[-2]), where[-1])
        else:
            _clear(_section(tree, where), where[-1])

    return _edit(path, where, clear)


def _clear(section: CommentedMap, key: str) -> None:
    """A key without a value counts as not written, and keeps its comments; a section keeps its keys' comments, too."""
    if isinstance(section[key], CommentedMap):
        for inner in section[key]:
            _clear(section[key], inner)
    else:
        yamledit.assign(section, key, None)


def add(path: Path, key: str, text: str) -> Settings:
    """Adds an item to a list; where the file has none, to the one that is in force by default.

    Raises:
        HubError: key or item are not possible, or the item is there; the file is as it was.
    """
    where = key_path(key)

    def append(tree: CommentedMap, value: Any) -> None:
        items = _list(tree, where)
        if yamlfile.plain(value) in yamlfile.plain(items):
            raise HubError(f"{dotted(where)} has {text} already")
        yamledit.append(_section(tree, where), str(where[-1]), value)

    return _first_that_fits(path, where, _readings(key, text), append)


def remove(path: Path, key: str, text: str) -> Settings:
    """Takes an item out of a list.

    Raises:
        HubError: it is not there, or the list can't do without it; the file is as it was.
    """
    where = key_path(key)
    wanted = [yamlfile.plain(value) for value in _readings(key, text)]

    def take(tree: CommentedMap) -> None:
        there = yamlfile.plain(_list(tree, where))
        index = next((there.index(value) for value in wanted if value in there), None)
        if index is None:
            has = ", ".join(map(str, there)) or "nothing"
            raise HubError(f"{dotted(where)} does not have {text}", f"it has {has}")
        yamledit.remove_item(_section(tree, where), str(where[-1]), index)

    return _edit(path, where, take)


def _readings(key: str, text: str) -> list[Any]:
    """What a text may stand for: what YAML makes of it, or the text itself, as in the user name `1234`."""
    try:
        value = yamlfile.round_trip().load(text)
    except (YAMLError, ValueError):
        return [text]
    if value is None and text:
        raise HubError(f"{text} is no value for {key}", f"`hubctl config unset {key}` brings back the default")
    return [value, text] if value is not None and not isinstance(value, str) else [text]


def _first_that_fits(
    path: Path, where: KeyPath, values: list[Any], put: Callable[[CommentedMap, Any], None]
) -> Settings:
    """Raises what is wrong with the first of the values where none fits."""
    try:
        return _edit(path, where, lambda tree: put(tree, values[0]))
    except _NotAllowedError:
        for value in values[1:]:
            try:
                return _edit(path, where, lambda tree, value=value: put(tree, value))  # type: ignore[misc]
            except _NotAllowedError:
                continue
        raise


class _NotAllowedError(HubError):
    """The settings would not be valid."""


def with_values(path: Path, values: Mapping[KeyPath, Any]) -> tuple[str, Settings]:
    """What the file would be with several keys set, and the settings then; nothing is written.

    Raises:
        HubError: these settings would not be valid.
    """

    def put(tree: CommentedMap) -> None:
        for where, value in values.items():
            if yamlfile.plain(value_at(tree, where)) != value:
                yamledit.assign(_section(tree, where), where[-1], _node(value))

    return _altered(yamlfile.read_text(path), path, put)


def _node(value: Any) -> Any:
    """A value as a tree has it: entries on a line each, names side by side."""
    if not isinstance(value, list):
        return CommentedMap(value) if isinstance(value, dict) else value
    items = CommentedSeq(map(_node, value))
    if not any(isinstance(item, dict) for item in value):
        items.fa.set_flow_style()
    return items


def _edit(path: Path, where: KeyPath, alter: Callable[[CommentedMap], None]) -> Settings:
    with alone(path):
        before = yamlfile.read_text(path)
        after, found = _altered(before, path, alter)
        if after != before:
            _write(path, after)
        return found


def _altered(before: str, path: Path, alter: Callable[[CommentedMap], None]) -> tuple[str, Settings]:
    tree = yamlfile.tree(before, path)
    alter(tree)
    after = yamledit.dump(tree, before)
    document = yamlfile.parse(after, path)
    if document.values != yamlfile.plain(tree):
        raise HubError(f"{path} can't be changed by a program without harm", "edit it by hand")
    found, problems = settings.examine(document)
    if found is None or problems:
        told = list(dict.fromkeys(f"{dotted(place)}: {text}" for place, text in problems))
        raise _NotAllowedError("\n".join(told), f"{path} is as it was")
    return after, found


def _write(path: Path, text: str) -> None:
    try:
        wholefile.rewrite(path, text)
    except OSError as error:
        if is_full(error):
            raise no_space(f"{path} is as it was", path.resolve().parent) from None
        do = "run this as its owner: root" if isinstance(error, PermissionError) else ""
        raise HubError(f"{path} can't be written: {error.strerror}", do) from None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One at a time: of two, the later would write what it had read before the earlier one wrote."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(path.resolve().parent))
        except OSError as error:
            raise HubError(f"{path} can't be read: {error.strerror}", "`hubctl setup` writes it") from None
        yield


def _section(tree: CommentedMap, where: KeyPath) -> Any:
    """What holds the last part of a key path; sections and lists above it that the file lacks are made."""
    node: Any = tree
    for depth, part in enumerate(where[:-1]):
        if isinstance(where[depth + 1], int):
            node = _list(tree, where[: depth + 1])
        elif isinstance(node, CommentedMap) and node.get(part) is None:
            yamledit.assign(node, part, CommentedMap())
            node = node[part]
        else:
            node = _child(node, where[: depth + 1])
    if isinstance(where[-1], int):
        _child(node, where)
    if node is not tree and not node:
        node.fa.set_flow_style()  # `{}` becomes `{key: value}`, on the line that its comment is on
    return node


def _child(node: Any, where: KeyPath) -> Any:
    try:
        return node[where[-1]]
    except (IndexError, KeyError, TypeError):
        count = len(node) if isinstance(node, list) else 0
        raise HubError(f"there is no {dotted(where)}", f"{dotted(where[:-1])} has {count} items, from [0]") from None


def _list(tree: CommentedMap, where: KeyPath) -> CommentedSeq:
    """The list at a key path; where the file has none, the default one is put there.

    Raises:
        HubError: the key has no list.
    """
    section = _section(tree, where)
    if section.get(where[-1]) is None:
        default = value_at(Settings().model_dump(mode="json", exclude_none=True), where)
        if not isinstance(default, list):
            raise HubError(f"{dotted(where)} is no list", f"`hubctl config set {dotted(where)} VALUE` sets it")
        items = CommentedSeq([CommentedMap(item) if isinstance(item, dict) else item for item in default])
        if not any(isinstance(item, dict) for item in default):
            items.fa.set_flow_style()
        yamledit.assign(section, str(where[-1]), items)
    items = section[where[-1]]
    if not isinstance(items, CommentedSeq):
        raise HubError(f"{dotted(where)} is no list", f"`hubctl config set {dotted(where)} VALUE` sets it")
    return items
