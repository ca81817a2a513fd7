"""What is wrong with ``hub.yaml``, in words for an administrator."""

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hubctl import yamlfile


def dotted(where: yamlfile.KeyPath) -> str:
    """A key path as people write it: ``docker.images[1].name``."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list (`- item`, or `[item, item]`)",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "path_type": "a path",
    "ip_any_address": "an IP address",
}


def expected(detail: ErrorDetails, where: yamlfile.KeyPath, model: type[BaseModel]) -> str:
    """What the file should say there, in words that an administrator uses.

    Args:
        detail: pydantic's error.
        where: its key path.
        model: the type of the whole file.
    """
    kind, context, got = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        return unknown_key(where, model)
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        return f"expected {context['expected']}, got {got!r}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"expected text like {context['pattern']}, got {got!r}"
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
        if bound in context:
            return f"expected {words} {context[bound]}, got {got!r}"
    return f"expected {_EXPECTED[kind]}, got {got!r}" if kind in _EXPECTED else detail["msg"]


def unknown_key(where: yamlfile.KeyPath, model: type[BaseModel]) -> str:
    """What to say of a key that is none: the one that may be meant, or all that there are."""
    section: Any = model
    for part in where[:-1]:
        if isinstance(part, str):
            section = _section_of(section.model_fields[part].annotation)
    known = sorted(section.model_fields)
    near = get_close_matches(str(where[-1]), known, 1)
    return f"unknown key, did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def _section_of(annotation: Any) -> Any:
    """The model inside ``list[Model]`` or ``Model``."""
    return next(iter(get_args(annotation)), annotation)
