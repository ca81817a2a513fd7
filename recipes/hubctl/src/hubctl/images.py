"""Images of users' servers: what Docker has, and what is in each.

What an image has is in its labels, where Hubforge built it, or what it is built on. ``hubctl image check`` finds it out
of any image, and writes it down by the image's id, which changes with its content.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubctl import wholefile
from hubctl.errors import HubError
from hubctl.layout import Layout

LABEL = "hubforge."
"""The labels ``hubforge.jupyterhub``, ``hubforge.pyspark``, ``hubforge.java`` hold the versions in the image."""


@dataclass(frozen=True)
class Facts:
    """Versions of what an image has; empty where it has none."""

    jupyterhub: str
    pyspark: str
    java: str


@dataclass(frozen=True)
class Image:
    """An image that Docker has.

    Attributes:
        id: changes with its content.
        size: in bytes.
        created: when it was built (RFC 3339).
        facts: what is in it; None where nobody has looked.
    """

    name: str
    id: str
    size: int
    created: str
    facts: Facts | None


@contextmanager
def engine(timeout: int | None = 10) -> Iterator[Any]:
    """A client of the Docker Engine.

    Args:
        timeout: seconds to wait for an answer; None: for ever.

    Raises:
        HubError: it does not answer, or refuses what was asked for.
    """
    import docker  # type: ignore[import-untyped]  # only hubs that run containers need it
    import requests

    try:
        client = docker.from_env(timeout=timeout)
        try:
            yield client
        finally:
            client.close()
    except docker.errors.APIError as error:
        raise HubError(f"Docker refuses: {error.explanation or error}") from None
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise HubError(
            f"Docker does not answer ({_words(error)})",
            "start it, run this as one who may use it, or set `spawner: local` in hub.yaml",
        ) from None


def _words(error: BaseException) -> str:
    """The system's, where it is the one that refuses: each library has put them into brackets of its own."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0]


def socket() -> Path | None:
    """What the engine is asked through; None where that is no file of this host."""
    address = os.environ.get("DOCKER_HOST") or "unix:///run/docker.sock"
    return Path(address.removeprefix("unix://")) if address.startswith("unix://") else None


def load(client: Any, content: Iterator[bytes], source: str) -> list[str]:
    """Gives Docker an image; its names.

    Args:
        content: what `docker save` has written.
        source: what messages call it.

    Raises:
        HubError: there is no image in it, or Docker can't take it.
    """
    import docker

    try:
        answers = list(client.api.load_image(content))
    except docker.errors.APIError as error:
        raise HubError(f"{source} could not be loaded: {error.explanation}") from None
    said = [str(answer.get("stream", "")).strip() for answer in answers]
    names = [line.partition(": ")[2] for line in said if line.startswith("Loaded image")]
    if not names:
        reason = next((answer["error"] for answer in answers if "error" in answer), "there is no image in it")
        raise HubError(f"{source} could not be loaded: {reason}")
    return names


def find(layout: Layout, client: Any, name: str) -> Image | None:
    """The image called ``name`` (a tag or an id); None where Docker does not have it."""
    import docker

    try:
        found = client.api.inspect_image(name)
    except docker.errors.ImageNotFound:
        return None
    labels = (found.get("Config") or {}).get("Labels") or {}
    # what an image is built on has labelled it, too: whoever has looked inside knows better
    facts = _known(layout, found["Id"]) or _labelled(labels)
    return Image(name, found["Id"], found["Size"], found["Created"], facts)


def facts(layout: Layout, name: str) -> Facts | None:
    """What the image called ``name`` has; None where Docker or the image is missing, or nobody has looked."""
    try:
        with engine() as client:
            image = find(layout, client, name)
    except HubError:
        return None
    return image.facts if image else None


def remember(layout: Layout, image_id: str, found: Facts) -> None:
    """Writes down what an image has."""
    path = _record(layout)
    known = {**_read(path), image_id: asdict(found)}
    wholefile.write(path, json.dumps(known, indent=1, sort_keys=True) + "\n")


def _labelled(labels: dict[str, str]) -> Facts | None:
    if f"{LABEL}jupyterhub" not in labels:
        return None
    return Facts(*(labels.get(f"{LABEL}{name}", "") for name in ("jupyterhub", "pyspark", "java")))


def _known(layout: Layout, image_id: str) -> Facts | None:
    entry = _read(_record(layout)).get(image_id)
    return Facts(**entry) if entry else None


def _record(layout: Layout) -> Path:
    return layout.state / "images.json"


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The record; an unreadable one counts as empty: looking again makes it anew."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
