"""What tests of the product start from: the built installer, installed here and in bare containers."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import construct, image, paths
from tests.containers import Container, base_image, running

SUITES = ("bullseye", "bookworm", "trixie")
"""An older glibc than the build machine's, the same, and a newer one."""

CONSTRUCTOR = "constructor"
"""Stands beside the SUITES for a bookworm that conda's constructor has made the installer for."""

PREFIX = "/opt/miniconda3"
ENVIRONMENT = f"{PREFIX}/envs/jupyterhubenv"


@pytest.fixture(scope="session")
def installer() -> Path:
    """The built installer."""
    assert paths.INSTALLER.exists(), "run `make installer` first; `make test` does"
    return paths.INSTALLER


@pytest.fixture(scope="session")
def notebook_image() -> str:
    """What Docker calls the users' image, built and loaded where that has not been done."""
    image.make()
    return image.NAME


@pytest.fixture(scope="session")
def channel() -> Path:
    """The folder of the built channel."""
    return paths.CHANNEL


@pytest.fixture(scope="session")
def prefix(installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A base prefix on this machine, host steps left out."""
    folder = tmp_path_factory.mktemp("installed")
    target = folder / "prefix"
    subprocess.run(["bash", str(installer), "-b", "-s", "-p", str(target)], check=True)
    yield target
    shutil.rmtree(folder)


@pytest.fixture(scope="session", params=[*SUITES, pytest.param(CONSTRUCTOR, marks=pytest.mark.constructor)])
def bare(
    request: pytest.FixtureRequest, installer: Path, channel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """A bare Debian without network on which `bash hub-installer.sh -b` has run: ours, or constructor's."""
    suite = request.param
    mounts, runs = {installer.parent: "/dist"}, f"/dist/{installer.name}"
    if request.param == CONSTRUCTOR:
        suite, made = "bookworm", constructed(channel, tmp_path_factory.mktemp("constructed"))
        mounts[made.parent], runs = "/constructed", f"/constructed/{made.name}"
    with running(base_image(suite), mounts=mounts) as container:
        container.run("bash", runs, "-b")
        yield container


def ready_servers(server: Container) -> list[str] | None:
    """The users whose servers the hub of a server can send them to; None when it is too busy to say.

    A hub that has not found all of them again after ten seconds answers before it has.
    """
    shown = json.loads(server.run(f"{ENVIRONMENT}/bin/hubctl", "status", "--json").stdout)["servers"]
    return shown and sorted(entry["user"] for entry in shown if entry["ready"])


def constructed(channel: Path, folder: Path, file: Path = paths.CONSTRUCT) -> Path:
    """The installer that conda's constructor makes of the same ``construct.yaml`` and channel, in ``folder``."""
    command = ["constructor", f"--output-dir={folder}", f"--cache-dir={folder}/cache", str(file.parent)]
    subprocess.run(command, check=True, env=os.environ | {"HUBFORGE_CHANNEL": channel.as_uri()})
    return folder / construct.read(file).filename
