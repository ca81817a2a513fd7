"""PySpark kernelspecs: one per size of ``hub.yaml``, rendered on the host, mounted into the images that have PySpark.

The kernel ``python3`` is the image's own: whatever has ipykernel has it. A kernelspec is a folder with ``kernel.json``
(jupyter_client, "Making kernels for Jupyter").
"""

import json
import shlex
import shutil
from importlib import resources
from pathlib import Path, PurePosixPath

from hubctl import images, wholefile
from hubctl.folderlock import locked
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.settings_sections import Image
from hubctl.units import format_memory

INSIDE = PurePosixPath("/usr/local/share/jupyter/kernels")
"""Where Jupyter looks in every image, whichever prefix its Python is in."""

_MIB = 1024**2

LOCAL_CONF = {
    # A user's own Spark in a container: nobody else has to reach it, and on the host's network nobody else may.
    "spark.authenticate": "true",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    # Hive's own metastore would be a Derby database in the notebook's folder, for one kernel at a time.
    "spark.sql.catalogImplementation": "in-memory",
}
"""Defaults of a master ``local[…]``."""

CLUSTER_CONF = {"spark.sql.catalogImplementation": "hive"}
"""Defaults of every other master: the cluster's tables, as ``spark-shell`` and ``pyspark`` show them."""

COMMON_CONF = {"spark.ui.showConsoleProgress": "false"}
"""The progress bar is drawn for terminals; a notebook shows it as red text."""


def folder(layout: Layout) -> Path:
    """Where the kernelspecs are rendered to."""
    return layout.state / "kernels"


def mounts(settings: Settings, layout: Layout, image: Image) -> dict[str, str]:
    """What to mount read-only into a container of ``image``: paths of the host, and where they go inside.

    Empty where the image has no PySpark, or nobody knows (``hubctl image check`` finds out), or Docker does not
    answer. The kernelspecs are rendered first, so that they are those of ``settings``.
    """
    facts = images.facts(layout, image.image)
    if not runs_spark(facts, settings):
        return {}
    render(settings, layout)
    return {str(folder(layout) / _name(size)): str(INSIDE / _name(size)) for size in sizes(settings, image)}


def host_paths(settings: Settings) -> list[PurePosixPath]:
    """What of the host the kernels need in a container, beside what the site mounts anyway."""
    spark = settings.pyspark
    return [
        path
        for path in (spark.spark_home, spark.hadoop_conf)
        if path and not any(path.is_relative_to(mount.host) for mount in settings.mounts)
    ]


def sizes(settings: Settings, image: Image) -> list[int]:
    """The driver sizes, in bytes, that a server of ``image`` has room for."""
    return [size for size in settings.driver_sizes if size <= settings.largest_driver(image)]


def render(settings: Settings, layout: Layout, check: bool = False) -> list[str]:
    """Makes the folder hold exactly the kernelspecs of ``settings``.

    Args:
        check: only say what is not as it should be.

    Returns:
        What was changed (or would be), a line each; empty when all is as it should be.
    """
    wanted = {_name(size): _files(settings, size) for size in settings.driver_sizes}
    place = folder(layout)
    if not check:
        _folder(place)
    elif not place.is_dir():
        return _changes(place, wanted)
    with locked(place):  # servers that start at once would find each other's unfinished files
        changes = _changes(place, wanted)
        if changes and not check:
            _write(place, wanted)
    return changes


def _changes(place: Path, wanted: dict[str, dict[str, str]]) -> list[str]:
    present = {path.name for path in place.iterdir()} if place.is_dir() else set()
    changes = [f"kernelspec {name}: no longer wanted" for name in sorted(present - wanted.keys())]
    return changes + [
        f"kernelspec {name}: {'changed' if name in present else 'new'}"
        for name, files in wanted.items()
        if {path.name: path.read_text() for path in (place / name).glob("*")} != files
    ]


def _write(place: Path, wanted: dict[str, dict[str, str]]) -> None:
    """The folders of the kernelspecs stay the same ones: servers that run have them mounted."""
    for name, files in wanted.items():
        _folder(place / name)
        for file, text in files.items():
            wholefile.write(place / name / file, text)
        for path in (place / name).iterdir():
            if path.name not in files:
                path.unlink()
    for path in place.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path)


def runs_spark(facts: images.Facts | None, settings: Settings) -> bool:
    """Whether an image gets the kernelspecs; with the cluster's Spark mounted, it needs no more than Java for that."""
    return bool(facts and facts.java and (facts.pyspark or settings.pyspark.spark_home))


def _name(size: int) -> str:
    return f"pyspark-{format_memory(size)}"


def _files(settings: Settings, size: int) -> dict[str, str]:
    """The kernelspec's files by name."""
    environment = {"PYSPARK_SUBMIT_ARGS": _submit_arguments(settings, size)}
    if _is_local(settings):
        # else Spark asks for the address of the host's name, and may get none
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    if settings.pyspark.spark_home:
        environment["SPARK_HOME"] = _inside(settings, settings.pyspark.spark_home)
    if settings.pyspark.hadoop_conf:
        environment["HADOOP_CONF_DIR"] = environment["YARN_CONF_DIR"] = _inside(settings, settings.pyspark.hadoop_conf)
    if python := settings.pyspark.conf.get("spark.pyspark.python"):
        environment["PYSPARK_PYTHON"] = python  # Spark itself reads the property only in `spark-submit`
    document = {
        # a plain `python` is the one that runs the user's Jupyter server
        "argv": [
            *("python", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--IPKernelApp.exec_files={resource_dir}/startup.py",
        ],
        "display_name": f"PySpark {format_memory(size)}",
        "language": "python",
        "metadata": {"debugger": True},
        "env": environment,
    }
    startup = resources.files("hubctl").joinpath("kernel_startup.py").read_text()
    return {"kernel.json": json.dumps(document, indent=1) + "\n", "startup.py": startup}


def _submit_arguments(settings: Settings, size: int) -> str:
    """What pyspark hands to ``spark-submit``, quoted for a shell."""
    spark = settings.pyspark
    defaults = LOCAL_CONF if _is_local(settings) else CLUSTER_CONF
    arguments = ["--master", spark.master, "--driver-memory", format_memory(size // _MIB * _MIB)]
    for key, value in {**COMMON_CONF, **defaults, **spark.conf}.items():
        arguments += ["--conf", f"{key}={value}"]
    return shlex.join([*arguments, "pyspark-shell"])


def _is_local(settings: Settings) -> bool:
    return settings.pyspark.master.startswith("local")


def _inside(settings: Settings, path: PurePosixPath) -> str:
    """Where the host's ``path`` is in a container: below a mount of the site's, else at the same place."""
    for mount in settings.mounts:
        if mount.container and path.is_relative_to(mount.host):
            return str(mount.container / path.relative_to(mount.host))
    return str(path)


def _folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
