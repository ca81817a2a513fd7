"""Durations and memory sizes as people write them (``10h``, ``1h30m``, ``2g``, ``512m``), and dates."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_BYTES = {"t": 1024**4, "g": 1024**3, "m": 1024**2, "k": 1024}
_DURATION = re.compile(r"(?:\d+[wdhms])+")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([kmgt])(?:i?b)?", re.IGNORECASE)


def parse_duration(value: Any) -> timedelta:
    """``10h``, ``7d``, ``1h30m`` as a duration.

    Raises:
        ValueError: says what was expected.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).replace(" ", "")
    if not isinstance(value, str) or not _DURATION.fullmatch(text):
        raise ValueError(f"expected a duration with its unit (s, m, h, d, w) such as 10h or 1h30m, got {value!r}")
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"(\d+)([wdhms])", text))
    if seconds == 0:
        raise ValueError(f"expected a duration above zero, got {value!r}")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as ``value``; kinit reads it, too."""
    seconds = int(value.total_seconds())
    text = ""
    for unit, size in _SECONDS.items():
        if unit == "w":
            continue
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_memory(value: Any) -> int:
    """``2g``, ``512m``, ``1.5g`` in bytes; units are powers of 1024, as Docker's and Java's are.

    Raises:
        ValueError: says what was expected.
    """
    if isinstance(value, MemoryBytes):
        return value
    match = _MEMORY.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a memory size with its unit (k, m, g, t) such as 512m or 2g, got {value!r}")
    size = int(float(match[1]) * _BYTES[match[2].lower()])
    if size == 0:
        raise ValueError(f"expected a memory size above zero, got {value!r}")
    return MemoryBytes(size)


def format_memory(value: int) -> str:
    """``value`` bytes in the largest unit that divides it; it is never rounded."""
    for unit, size in _BYTES.items():
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return f"{value / 1024}k"


def say_memory(value: int) -> str:
    """``value`` bytes as people say it, rounded: ``1.5 GB``. Units are powers of 1024, as in the settings."""
    for unit, size in (("TB", 1024**4), ("GB", 1024**3), ("MB", 1024**2)):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{value / 1024:.0f} kB"


def say_time(value: str) -> str:
    """An ISO 8601 date as people say it: in the server's time, to the minute."""
    return f"{datetime.fromisoformat(value).astimezone():%Y-%m-%d %H:%M}"


class MemoryBytes(int):
    """A size in bytes that has been read already: a bare number in the settings is refused."""


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "examples": ["10h", "1h30m", "7d"]}),
]
Memory = Annotated[
    int,
    BeforeValidator(parse_memory),
    PlainSerializer(format_memory),
    WithJsonSchema({"type": "string", "examples": ["512m", "2g"]}),
]
