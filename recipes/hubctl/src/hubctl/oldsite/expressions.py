"""The values of the expressions that configuration files are made of, without running any of their code."""

import ast
import operator
import os.path
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST = 2**63
"""No setting has a larger number; and no arithmetic of a file makes this program compute for long."""


@dataclass(frozen=True)
class Unknown:
    """What only the running hub knows: what a function gives, what a variable of the environment holds."""


@dataclass(frozen=True)
class Symbol:
    """A class, function or module by its name, such as ``dockerspawner.DockerSpawner``."""

    name: str


@dataclass(frozen=True)
class Section:
    """The configuration (no name) or a part of it, by whatever name a file calls it: ``c.JupyterHub``."""

    name: str = ""


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression; parts of lists and dictionaries that can't be told are ``Unknown`` in them.

    Args:
        names: what names stand for; what is set, as if all of it were ``c.JupyterHub.port``.
    """
    reader = _READERS.get(type(node))
    try:
        return reader(node, names) if reader else Unknown()
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError):
        return Unknown()  # it would fail, or is made of something unknown


def is_known(value: Any) -> bool:
    """Whether nothing in it is unknown."""
    if isinstance(value, dict):
        return all(is_known(key) and is_known(inner) for key, inner in value.items())
    if isinstance(value, list | tuple | set):
        return all(map(is_known, value))
    return not isinstance(value, Unknown | Section)


def _name(node: ast.Name, names: Mapping[str, Any]) -> Any:
    return names.get(node.id, Symbol(node.id) if node.id in _FUNCTIONS else Unknown())


def _attribute(node: ast.Attribute, names: Mapping[str, Any]) -> Any:
    above = evaluate(node.value, names)
    if isinstance(above, Section):
        return _below(above, node.attr, names)
    return Symbol(f"{above.name}.{node.attr}") if isinstance(above, Symbol) else Unknown()


def _below(section: Section, key: Any, names: Mapping[str, Any]) -> Any:
    """A section of the configuration, or what was set in a section."""
    if not isinstance(key, str):
        return Unknown()
    return names.get(f"c.{section.name}.{key}", Unknown()) if section.name else Section(key)


def _dictionary(node: ast.Dict, names: Mapping[str, Any]) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found |= evaluate(value, names)
        else:
            found[evaluate(key, names)] = evaluate(value, names)
    return found


def _text(node: ast.JoinedStr, names: Mapping[str, Any]) -> Any:
    parts = [_part(part, names) for part in node.values]
    return "".join(parts)


def _part(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.FormattedValue):
        plain = node.format_spec is None and node.conversion == -1
        return _words(evaluate(node.value, names)) if plain else Unknown()
    return evaluate(node, names)


def _words(value: Any) -> str:
    """A text or number as texts have it.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(value)


_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.LShift: operator.lshift,
}


def _operation(node: ast.BinOp, names: Mapping[str, Any]) -> Any:
    left, right = evaluate(node.left, names), evaluate(node.right, names)
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        values = right if isinstance(right, tuple) else (right,)
        return left % tuple(map(_words, values)) if _only_plain(left) else Unknown()
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and not isinstance(node.op, ast.Add | ast.Sub | ast.BitOr):
        return Unknown()
    if isinstance(node.op, ast.Pow | ast.LShift) and not 0 <= right <= 64:
        return Unknown()
    value = _OPERATIONS[type(node.op)](left, right)
    return Unknown() if numbers and abs(value) > LARGEST else value


def _only_plain(pattern: str) -> bool:
    """Whether all that a pattern asks for is ``%s``: widths could ask for gigabytes."""
    return pattern.count("%") == pattern.count("%s")


def _compared(node: ast.Compare, names: Mapping[str, Any]) -> Any:
    left, right = evaluate(node.left, names), evaluate(node.comparators[0], names)
    known = {ast.Eq: operator.eq, ast.NotEq: operator.ne}.get(type(node.ops[0]))
    if known is None or len(node.ops) > 1 or not (is_known(left) and is_known(right)):
        return Unknown()
    return known(left, right)


def _negated(node: ast.UnaryOp, names: Mapping[str, Any]) -> Any:
    value = evaluate(node.operand, names)
    if isinstance(node.op, ast.Not):
        return not value if is_known(value) else Unknown()
    return -value if isinstance(node.op, ast.USub) else Unknown()


def _chosen(node: ast.IfExp, names: Mapping[str, Any]) -> Any:
    test = evaluate(node.test, names)
    return evaluate(node.body if test else node.orelse, names) if is_known(test) else Unknown()


def _item(node: ast.Subscript, names: Mapping[str, Any]) -> Any:
    whole, key = evaluate(node.value, names), evaluate(node.slice, names)
    if isinstance(whole, Section):
        return _below(whole, key, names)
    return whole[key] if isinstance(whole, dict | list | tuple | str) else Unknown()


def _formatted(pattern: str, values: list[Any], named: dict[str, Any]) -> str:
    """``pattern.format(…)``, where it asks for nothing but values as they are.

    Raises:
        ValueError: for more.
    """
    text = ""
    for index, (literal, name, form, conversion) in enumerate(string.Formatter().parse(pattern)):
        text += literal
        if name is None:
            continue
        if form or conversion or not (name == "" or name.isidentifier() or name.isdigit()):
            raise ValueError(pattern)
        text += _words(named[name] if name.isidentifier() else values[int(name or index)])
    return text


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": set,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "traitlets.config.Config": dict,
    "traitlets.config.loader.Config": dict,
    "sorted": sorted,
    "str": _words,
    "int": lambda value: int(_words(value)),
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.basename": os.path.basename,
    "os.path.abspath": os.path.normpath,
    "os.path.realpath": os.path.normpath,
    "os.path.normpath": os.path.normpath,
}
"""Functions that do nothing but compute."""

_METHODS: dict[type, set[str]] = {
    str: {"split", "strip", "lstrip", "rstrip", "lower", "upper", "join"},
    dict: {"keys", "values", "items", "copy"},
    list: {"copy"},
    set: {"copy", "union"},
}


def _called(node: ast.Call, names: Mapping[str, Any]) -> Any:
    values = [evaluate(argument, names) for argument in node.args]
    named = {keyword.arg: evaluate(keyword.value, names) for keyword in node.keywords if keyword.arg}
    if isinstance(node.func, ast.Attribute):
        owner = evaluate(node.func.value, names)
        if isinstance(owner, str) and node.func.attr == "format":
            return _formatted(owner, values, named)
        if node.func.attr in _METHODS.get(type(owner), ()) and not named:
            found = getattr(owner, node.func.attr)(*values)
            return found if isinstance(found, str | list | dict | set) else list(found)
    function = evaluate(node.func, names)
    if isinstance(function, Symbol) and function.name.rpartition(".")[2] == "get_config":
        return Section()
    compute = _FUNCTIONS.get(function.name) if isinstance(function, Symbol) else None
    if compute and (compute is dict or all(map(is_known, [*values, *named.values()]))):
        return compute(*values, **named)
    return Unknown()


_READERS: dict[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: lambda node, names: node.value,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.List: lambda node, names: [evaluate(item, names) for item in node.elts],
    ast.Tuple: lambda node, names: tuple(evaluate(item, names) for item in node.elts),
    ast.Set: lambda node, names: {evaluate(item, names) for item in node.elts},
    ast.Dict: _dictionary,
    ast.JoinedStr: _text,
    ast.BinOp: _operation,
    ast.Compare: _compared,
    ast.UnaryOp: _negated,
    ast.IfExp: _chosen,
    ast.Subscript: _item,
    ast.Call: _called,
}
