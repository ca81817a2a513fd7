"""Whether an image can be a user's server: run once, with no more rights than a user's container has."""

import json
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Any

from hubctl import images
from hubctl.errors import HubError
from hubctl.images import Facts, Image
from hubctl.layout import Layout

SECONDS = 180
"""How long the check may take: the image's first start reads everything from disk."""

UID = 54321
"""A user that no image knows: names come from the host, which is not asked here."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        good: whether users' servers can run with it.
        text: what was found, and what to do where it is not good.
    """

    good: bool
    text: str


def check(layout: Layout, client: Any, image: Image) -> list[Finding]:
    """Runs the image as an unknown user, without network and rights, and remembers what is in it.

    Raises:
        HubError: it could not be run at all.
    """
    output = _run(client, image)
    try:
        found = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        last = output.strip().splitlines()[-1:] or ["nothing"]
        return [Finding(False, f"no Python that runs as user {UID}: the image said {last[0]}")]
    facts = Facts(found["jupyterhub"], found["pyspark"], found["java"])
    images.remember(layout, image.id, facts)
    return [
        _singleuser(found["singleuser"], facts.jupyterhub),
        Finding(not found["kernel"], _kernel(found["kernel"], found["kernels"])),
        Finding(True, _spark(facts)),
        Finding(True, "krb5 commands: " + ("klist, kinit" if found["klist"] else "none (`klist` shows the ticket)")),
    ]


def fits(jupyterhub: str) -> bool:
    """Whether the hub and a server of that version speak the same language: the first number says it (JupyterHub's own
    rule)."""
    return jupyterhub.split(".")[0] == version("jupyterhub").split(".")[0]


def _singleuser(program: str, jupyterhub: str) -> Finding:
    ours = version("jupyterhub")
    if not jupyterhub or not program:
        return Finding(False, f"no jupyterhub-singleuser: install jupyterhub=={ours} and jupyterlab in the image")
    if not fits(jupyterhub):
        return Finding(False, f"jupyterhub {jupyterhub} does not fit the hub's {ours}: install that version")
    return Finding(True, f"jupyterhub-singleuser {jupyterhub} (the hub has {ours})")


def _kernel(complaint: str, kernels: list[str]) -> str:
    if complaint:
        return f"a Python kernel does not run: {complaint}"
    return f"kernels: {', '.join(kernels)}; a cell ran in python3 as user {UID}"


def _spark(facts: Facts) -> str:
    if facts.pyspark and facts.java:
        return f"pyspark {facts.pyspark}, Java {facts.java}: gets the PySpark kernels"
    if facts.pyspark:
        return f"pyspark {facts.pyspark}, but no Java: gets no PySpark kernels"
    if facts.java:
        return f"Java {facts.java}, no pyspark: gets the PySpark kernels with pyspark.spark_home alone"
    return "no pyspark: gets no PySpark kernels"


def _run(client: Any, image: Image) -> str:
    """What the probe printed; the last line is its answer."""
    import docker  # type: ignore[import-untyped]
    import requests

    probe = resources.files("hubctl").joinpath("image_probe.py").read_text()
    container = client.containers.create(
        image.id,
        command=["-c", 'exec "$(command -v python3 || command -v python)" -c "$0"', probe],
        entrypoint=["/bin/sh"],
        user=f"{UID}:{UID}",
        working_dir="/tmp",
        environment={"HOME": "/tmp", "JUPYTER_RUNTIME_DIR": "/tmp/runtime"},
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=512,
    )
    try:
        container.start()
        container.wait(timeout=SECONDS)
        return str(container.logs().decode(errors="replace"))
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
        raise HubError(
            f"{image.name} did not end within {SECONDS} seconds", "look at what it does at its start"
        ) from None
    except docker.errors.APIError as error:
        raise HubError(f"{image.name} does not run: {error.explanation}") from None
    finally:
        container.remove(force=True)
