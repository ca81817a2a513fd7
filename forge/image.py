"""``make image``: the users' image, out of our own packages and a minimal Debian, without a registry.

The environment is the PyPI lock ``notebook`` and our own Kerberos. It is linked for its place in the image: in a mount
namespace of its own, where a scratch folder lies over that place.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import rattler
import zstandard

from forge import build, channel, condapkg, construct, environments, image_debian, image_layers, locks, processes
from forge.construct import Construct
from forge.errors import ForgeError
from forge.files import sha256_of, tree_digest, write_text
from forge.image_layers import Layer, Tree
from forge.locking import alone
from forge.paths import CONSTRUCT, DIST, ROOT, cache_dir, work_dir
from forge.progress import Step, say
from forge.target import SERIES

NAME = "hubforge/notebook"
LOCK = "notebook"
"""The PyPI lock of the image's environment."""

EXTRA = ("krb5", "pykerberos")
"""Recipes' packages that the environment has beside the lock: tickets, for the shell and for Python."""

PREFIX = Path("/opt/notebook")
LICENSES = "share/licenses"
"""In the environment, so that they go wherever it is copied to."""

FILES = ROOT / "images" / "notebook" / "files"
ARCHIVE = DIST / "hub-notebook-image.tar.zst"

JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64"
_PATH = f"{PREFIX}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LEFT_OUT = (
    "conda-meta/*.json",  # they name this machine's folders
    f"lib/python{SERIES}/site-packages/*/tests",
    f"lib/python{SERIES}/site-packages/numpy/*/tests",
    "share/jupyterhub/static",  # the hub's pages
)
"""What packages bring along that no user's server needs, a tenth of the environment."""

_LINK = """
import os, sys
from pathlib import Path
from forge import image
image.link(Path(sys.argv[1]))
os._exit(0)
"""
"""Ends at once: py-rattler's threads sometimes crash an interpreter that winds down."""

_IN_NAMESPACE = 'mount --bind "$0" "$1"; shift; exec "$@"'


def make(frozen: bool = False) -> Path:
    """Makes ``dist/hub-notebook-image.tar.zst`` and its ``.sha256``, and gives it to the Docker Engine that runs here.

    Raises:
        ForgeError: a source can't be had, the environment can't be solved or linked, or Debian can't be had.
    """
    plan = construct.read(CONSTRUCT)
    with alone():
        image_id = _make(plan, frozen)
    _load(image_id)
    return ARCHIVE


def _make(plan: Construct, frozen: bool) -> str:
    """Makes the archive; gives the image's id."""
    factory = build.Factory(plan.version, frozen)
    folder = work_dir("channel-image")
    channel.publish(factory.packages((*build.ENVIRONMENTS, LOCK)), folder)
    specs = _specs()
    records = environments.solve(specs, [folder])
    before = locks.read(LOCK)
    locks.write(LOCK, specs, records)
    if before and before != locks.read(LOCK):
        say(f"lockfiles, {LOCK}: changed")
    debian = image_debian.root_file_system(plan.version, factory.epoch)
    inputs = _inputs(records, debian, plan.version)
    stamp = DIST / f".{ARCHIVE.name}.inputs"
    if not (ARCHIVE.exists() and stamp.exists() and stamp.read_text().startswith(inputs)):
        stamp.unlink(missing_ok=True)
        image_id = _assemble(records, debian, plan.version, factory.epoch)
        write_text(ARCHIVE.with_name(f"{ARCHIVE.name}.sha256"), f"{sha256_of(ARCHIVE)}  {ARCHIVE.name}\n")
        write_text(stamp, f"{inputs} {image_id}")
        say(f"{ARCHIVE.relative_to(ROOT)}: {ARCHIVE.stat().st_size / 1e6:.0f} MB")
    return stamp.read_text().split()[1]


def link(wanted: Path) -> None:
    """Links the packages that the file ``wanted`` lists into PREFIX. Runs in the namespace."""
    folder = work_dir("channel-image")
    environments.link(environments.solve(wanted.read_text().splitlines(), [folder]), PREFIX)


def _specs() -> list[str]:
    """What the environment holds: all that the lock pins, the site's libraries among them."""
    return [build.PYTHON, *build.locked_names(LOCK), *EXTRA]


def _inputs(records: Sequence[rattler.RepoDataRecord], debian: Path, version: str) -> str:
    """A digest over everything that decides the image's bytes."""
    code = [Path(__file__).with_name(name) for name in ("image.py", "image_layers.py")]
    hashes = [record.sha256.hex() for record in records if record.sha256]
    lines = [version, tree_digest(FILES, *code), sha256_of(debian), *hashes]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _assemble(records: Sequence[rattler.RepoDataRecord], debian: Path, version: str, epoch: int) -> str:
    """Writes the archive; gives the image's id."""
    with Step("Image", 3) as step, tempfile.TemporaryDirectory(prefix="image-", dir=cache_dir("build")) as scratch:
        prefix = _linked(Path(scratch), [f"{r.name.normalized} =={r.version} {r.build}" for r in records])
        _write_licenses(records, prefix / LICENSES)
        step.done("environment linked")
        layer = Path(scratch, "notebook.tar")
        image_layers.write_layer([Tree(prefix, str(PREFIX).lstrip("/")), Tree(FILES)], layer, epoch)
        shutil.rmtree(prefix)
        step.done("layer written")
        layers = [Layer.of(debian), Layer.of(layer)]
        configuration = image_layers.config(layers, _settings(records), epoch)
        image_layers.write_archive(layers, configuration, [f"{NAME}:latest", f"{NAME}:{version}"], ARCHIVE)
        step.done("archive written")
    return f"sha256:{hashlib.sha256(configuration).hexdigest()}"


def _write_licenses(records: Sequence[rattler.RepoDataRecord], folder: Path) -> None:
    """The licence texts of all packages, which are not among the linked files, in a folder for each package."""
    for record in records:
        for name, text in condapkg.read(environments.package_file(record)).info.items():
            if name.startswith("licenses/"):
                target = folder / record.name.normalized / name.removeprefix("licenses/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text)


def _linked(scratch: Path, specs: Sequence[str]) -> Path:
    """The environment's files, linked as if they lay in PREFIX."""
    for path in (ROOT, cache_dir("build"), Path(sys.base_prefix)):
        if path.is_relative_to(PREFIX.parent):
            raise ForgeError(f"{path} can't be seen while {PREFIX} is made", f"Move it out of {PREFIX.parent}.")
    wanted = scratch / "specs"
    wanted.write_text("\n".join(specs))
    place = scratch / "opt"
    place.mkdir()
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *rights, "--mount", "sh", "-euc", _IN_NAMESPACE, str(place), str(PREFIX.parent)]
    done = processes.run([*command, sys.executable, "-c", _LINK, str(wanted)], cwd=ROOT)
    if done.returncode:
        raise ForgeError("the image's environment could not be linked", "What is printed above says why.")
    prefix = place / PREFIX.name
    for path in [path for pattern in _LEFT_OUT for path in prefix.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return prefix


def _settings(records: Sequence[rattler.RepoDataRecord]) -> dict[str, object]:
    """What a container of the image starts with. Users' servers run as the users, whoever they are."""
    versions = {record.name.normalized: str(record.version) for record in records}
    return {
        "Env": [f"PATH={_PATH}", "LANG=C.UTF-8", f"JAVA_HOME={JAVA_HOME}", "HOME=/tmp"],
        "User": "65534:65534",
        "WorkingDir": "/tmp",
        "Entrypoint": ["tini", "-g", "--"],
        "Cmd": ["jupyterhub-singleuser"],
        "Labels": {
            "hubforge.jupyterhub": versions["jupyterhub"],
            "hubforge.pyspark": versions["pyspark"],
            "hubforge.java": "17",
        },
    }


def _load(image_id: str) -> None:
    """Gives the image to Docker; nothing is done where no Engine answers, or it has the image already."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        say("No Docker Engine answers: the image is not loaded. Later: hubctl image load FILE")
        return
    shown = subprocess.run(["docker", "image", "inspect", NAME], capture_output=True, text=True)
    if shown.returncode == 0 and json.loads(shown.stdout)[0]["Id"] == image_id:
        return
    docker = subprocess.Popen(
        ["docker", "load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert docker.stdin
    with processes.ending(docker), ARCHIVE.open("rb") as file:
        with contextlib.suppress(BrokenPipeError):  # what it says of that comes next
            zstandard.ZstdDecompressor().copy_stream(file, docker.stdin)
        said = docker.communicate()[0].decode().strip()
    if docker.returncode:
        raise ForgeError(f"docker could not load {ARCHIVE.name}: {said}")
    say(said)
