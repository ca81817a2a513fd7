"""What users can choose before their server starts: the cards of the spawn page, and the check of what comes back."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from hubctl import images, kernels
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.settings_sections import PICTURE_TYPES, Image
from hubctl.units import format_memory, say_memory

TEMPLATES = Path(__file__).with_name("templates")

FIELDS = ("image", "driver_memory")
"""The form's fields, and the keys of JupyterHub's `user_options`."""

_PICTURE_BYTES = 256 * 1024


class NotOfferedError(Exception):
    """A choice that is not on the page; the text is for the user."""


@dataclass(frozen=True)
class Choice:
    """What a user has chosen.

    Attributes:
        driver_memory: bytes; None where the image has no choice of it.
    """

    image: Image
    driver_memory: int | None


@dataclass(frozen=True)
class Card:
    """One image as the page shows it.

    Attributes:
        built: the day; None where it is not known.
        picture: a `data:` address, or empty.
        limits: in words.
        sizes: its driver sizes, as text.
        available: whether Docker has the image.
    """

    name: str
    description: str
    picture: str
    limits: str
    available: bool
    size: str
    built: date | None
    sizes: tuple[str, ...]


def from_form(form: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """The user options that a form holds.

    Raises:
        NotOfferedError: the form is not the page's own.
    """
    unknown = form.keys() - {*FIELDS, "_xsrf"}
    if unknown or any(len(form.get(field, [""])) != 1 for field in FIELDS):
        raise NotOfferedError("That is not the form of this page. Choose here, and press Start.")
    return {field: str(form[field][0]) for field in FIELDS if field in form}


def check(settings: Settings, layout: Layout, options: Mapping[str, Any]) -> Choice:
    """The choice that user options stand for, from the page or from JupyterHub's API; what is left out is the default.

    Raises:
        NotOfferedError: it is not offered.
    """
    if unknown := options.keys() - set(FIELDS):
        raise NotOfferedError(f"There is no choice called {_shown(min(unknown))} here.")
    offered = {image.name: image for image in settings.docker.images}
    name = options.get("image", settings.docker.images[0].name)
    if not isinstance(name, str) or name not in offered:
        raise NotOfferedError(f"The image {_shown(name)} is not offered. Choose one of those below.")
    image = offered[name]
    wanted = options.get("driver_memory")
    sizes = {format_memory(size): size for size in settings.driver_sizes}
    if wanted is not None and not (isinstance(wanted, str) and wanted in sizes):
        raise NotOfferedError(f"{_shown(wanted)} of driver memory is not offered. Choose one of: {', '.join(sizes)}.")
    fitting = _sizes(settings, image, images.facts(layout, image.image))
    if not fitting:
        return Choice(image, None)
    size = fitting[0] if wanted is None else sizes[wanted]
    if size not in fitting:
        offered_here = ", ".join(format_memory(size) for size in fitting)
        raise NotOfferedError(f"{wanted} of driver memory is too much for {image.name}. Choose one of: {offered_here}.")
    return Choice(image, size)


def page(settings: Settings, layout: Layout, last: Mapping[str, Any]) -> str:
    """The inside of the spawn page's form. Asks Docker, so it takes a moment.

    Args:
        last: the user options of the last time; what is still offered is chosen beforehand.
    """
    try:
        with images.engine() as client:
            cards = [_card(settings, layout, client, image) for image in settings.docker.images]
        docker_answers = True
    except HubError:
        cards = [_card(settings, layout, None, image) for image in settings.docker.images]
        docker_answers = False
    available = [card.name for card in cards if card.available]
    sizes = list(dict.fromkeys(size for card in cards for size in card.sizes))
    return (
        _environment()
        .get_template("choices.html")
        .render(
            cards=cards,
            sizes=sizes,
            docker_answers=docker_answers,
            chosen=last.get("image") if last.get("image") in available else next(iter(available), None),
            chosen_size=last.get("driver_memory") if last.get("driver_memory") in sizes else next(iter(sizes), None),
        )
    )


def nothing_to_choose(settings: Settings) -> bool:
    """Whether there is one image, without sizes: the server then starts without a question."""
    (first, *others) = settings.docker.images
    return not others and not kernels.sizes(settings, first)


def _sizes(settings: Settings, image: Image, facts: images.Facts | None) -> list[int]:
    """The driver sizes to choose from; none where the image runs no Spark."""
    return kernels.sizes(settings, image) if kernels.runs_spark(facts, settings) else []


def _card(settings: Settings, layout: Layout, client: Any, image: Image) -> Card:
    found = images.find(layout, client, image.image) if client else None
    limits = settings.limits_of(image)
    sizes = _sizes(settings, image, found.facts if found else None)
    return Card(
        name=image.name,
        description=image.description,
        picture=_picture(str(layout.below(image.picture))) if image.picture else "",
        limits=f"{say_memory(limits.memory)} memory, {limits.cpu:g} {'processor' if limits.cpu == 1 else 'processors'}",
        available=found is not None,
        size=say_memory(found.size) if found else "",
        built=_day(found.created) if found else None,
        sizes=tuple(map(format_memory, sizes)),
    )


def _day(created: str) -> date | None:
    """The day of an RFC 3339 time; Docker writes the year 1 where an image does not say."""
    try:
        day = date.fromisoformat(created[:10])
    except ValueError:
        return None
    return day if day.year > 1970 else None


def _picture(path: str) -> str:
    """The picture as a `data:` address: no file of the host is served. Empty where it can't be read or is too large."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return ""
    if len(content) > _PICTURE_BYTES:
        return ""
    return f"data:{PICTURE_TYPES[Path(path).suffix.lower()]};base64,{base64.b64encode(content).decode()}"


def _shown(value: Any) -> str:
    """What somebody sent, short enough for a page and a log."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
