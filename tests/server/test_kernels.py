"""PySpark kernelspecs: what is rendered for which settings, and which images get them."""

import json
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ServerRoot
from hubctl import images, kernels, offers
from hubctl.images import Facts
from hubctl.layout import Layout
from hubctl.settings import Settings, load
from hubctl.settings_sections import Image
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

WITH_SPARK = Facts(jupyterhub="6.1.1", pyspark="3.5.9", java="17")
IMAGE = "hubforge/notebook"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "var/lib/jupyterhub").mkdir(parents=True)
    return Layout(tmp_path)


def settings(layout: Layout, text: str = "") -> Settings:
    path = layout.root / "hub.yaml"
    path.write_text(text or "{}\n")
    return load(path)


def specs(layout: Layout) -> dict[str, dict[str, object]]:
    """What Jupyter itself makes of the rendered folder."""
    manager = KernelSpecManager(kernel_dirs=[str(kernels.folder(layout))], ensure_native_kernel=False)
    return {name: entry["spec"] for name, entry in manager.get_all_specs().items()}


def submit(layout: Layout, name: str) -> list[str]:
    environment = specs(layout)[name]["env"]
    assert isinstance(environment, dict)
    return shlex.split(environment["PYSPARK_SUBMIT_ARGS"])


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> dict[str, Facts]:
    """What is known of images, by name."""
    known: dict[str, Facts] = {}
    monkeypatch.setattr(images, "facts", lambda layout, name: known.get(name))
    return known


def test_every_size_is_a_kernel(layout: Layout) -> None:
    kernels.render(settings(layout, "pyspark: {driver_memory: [1g, 1536m, 1.5g]}"), layout)
    assert {name: spec["display_name"] for name, spec in specs(layout).items()} == {
        "pyspark-1g": "PySpark 1g",
        "pyspark-1536m": "PySpark 1536m",
    }
    arguments = submit(layout, "pyspark-1536m")
    assert arguments[arguments.index("--driver-memory") + 1] == "1536m"
    assert arguments[arguments.index("--master") + 1] == "local[*]"
    assert arguments[-1] == "pyspark-shell"
    environment = specs(layout)["pyspark-1536m"]["env"]
    assert isinstance(environment, dict)
    assert environment["SPARK_LOCAL_IP"] == "127.0.0.1", "the host's name need not resolve"


def test_properties_of_the_settings_win_over_ours_and_keep_their_blanks(layout: Layout) -> None:
    conf = "spark.ui.enabled: true, spark.executor.cores: 4, spark.driver.extraJavaOptions: \"-Da='b c' -Dd\""
    kernels.render(settings(layout, f"pyspark: {{conf: {{{conf}}}}}"), layout)
    arguments = submit(layout, "pyspark-1g")
    assert "spark.ui.enabled=true" in arguments and "spark.ui.enabled=false" not in arguments
    assert "spark.executor.cores=4" in arguments
    assert "spark.driver.extraJavaOptions=-Da='b c' -Dd" in arguments


def test_a_clusters_spark_is_used_where_the_container_has_it(layout: Layout) -> None:
    text = "pyspark: {master: yarn, spark_home: /data/parcels/CDH/lib/spark}\nmounts: [{host: /data, container: /opt}]"
    kernels.render(settings(layout, text), layout)
    environment = specs(layout)["pyspark-1g"]["env"]
    assert isinstance(environment, dict)
    assert environment["SPARK_HOME"] == "/opt/parcels/CDH/lib/spark"
    arguments = submit(layout, "pyspark-1g")
    assert "spark.sql.catalogImplementation=hive" in arguments
    everything = [*arguments, *environment.values()]
    assert not [text for text in everything if "127.0.0.1" in text], "executors must reach the driver"


def test_hadoops_configuration_is_named_where_the_container_has_it(layout: Layout) -> None:
    for mounts, inside in (
        ("", "/data/hadoop/conf"),
        ("mounts: [{host: /data, container: /etc}]\n", "/etc/hadoop/conf"),
    ):
        kernels.render(settings(layout, f"{mounts}pyspark: {{master: yarn, hadoop_conf: /data/hadoop/conf}}\n"), layout)
        environment = specs(layout)["pyspark-1g"]["env"]
        assert isinstance(environment, dict)
        assert {environment[name] for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR")} == {inside}
        arguments = submit(layout, "pyspark-1g")
        assert arguments[arguments.index("--master") + 1] == "yarn"


def test_rendering_again_changes_nothing_and_a_size_that_goes_takes_its_kernel_along(layout: Layout) -> None:
    both = settings(layout, "pyspark: {driver_memory: [1g, 2g]}")
    assert kernels.render(both, layout, check=True) == ["kernelspec pyspark-1g: new", "kernelspec pyspark-2g: new"]
    assert not kernels.folder(layout).exists(), "a check changes nothing"
    kernels.render(both, layout)
    before = {path: path.stat().st_mtime_ns for path in kernels.folder(layout).rglob("*")}
    assert kernels.render(both, layout) == []
    assert {path: path.stat().st_mtime_ns for path in kernels.folder(layout).rglob("*")} == before
    assert kernels.render(settings(layout, "pyspark: {driver_memory: [2g]}"), layout) == [
        "kernelspec pyspark-1g: no longer wanted"
    ]
    assert list(specs(layout)) == ["pyspark-2g"]


def test_servers_that_start_at_once_after_a_change_of_the_sizes_all_find_their_kernels(layout: Layout) -> None:
    for sizes in ("1g, 2g", "2g, 3g", "1g, 3g") * 10:
        wanted = settings(layout, f"pyspark: {{driver_memory: [{sizes}]}}")
        with ThreadPoolExecutor(20) as pool:
            for rendered in [pool.submit(kernels.render, wanted, layout) for _ in range(20)]:
                rendered.result()
        assert sorted(specs(layout)) == [f"pyspark-{size}" for size in sizes.split(", ")]


def test_what_a_kill_left_in_a_kernelspec_goes(layout: Layout) -> None:
    kernels.render(settings(layout), layout)
    left = kernels.folder(layout) / "pyspark-1g/.kernel.json.0123abcd"
    left.touch()
    assert kernels.render(settings(layout), layout) == ["kernelspec pyspark-1g: changed"]
    assert not left.exists()
    assert kernels.render(settings(layout), layout) == []


def test_every_user_can_read_a_kernelspec_whatever_the_umask(layout: Layout) -> None:
    before = os.umask(0o077)
    try:
        kernels.render(settings(layout), layout)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in kernels.folder(layout).rglob("*")}
    assert modes == {"pyspark-1g": 0o755, "pyspark-2g": 0o755, "kernel.json": 0o644, "startup.py": 0o644}


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["written", "checked"])
def test_where_servers_are_no_containers_no_kernel_is_missed(server_root: ServerRoot, options: list[str]) -> None:
    done = server_root.hubctl("image", "kernels", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "With `spawner: local` users' servers are no containers: there are no kernels to write.\n"
    assert not kernels.folder(Layout(server_root.path)).exists()


def mounted(settings: Settings, layout: Layout, name: str) -> list[str]:
    """The kernels that servers of an entry of the settings get."""
    image = next(image for image in settings.docker.images if image.name == name)
    return [Path(path).name for path in kernels.mounts(settings, layout, image)]


def test_kernelspecs_go_to_images_with_pyspark_alone(layout: Layout, has: dict[str, Facts]) -> None:
    has |= {IMAGE: WITH_SPARK, "plain": Facts("6.1.1", "", "17"), "no-java": Facts("6.1.1", "3.5.9", "")}
    folder = kernels.folder(layout)
    assert kernels.mounts(settings(layout), layout, Image(name="Notebook", image=IMAGE)) == {
        str(folder / "pyspark-1g"): "/usr/local/share/jupyter/kernels/pyspark-1g",
        str(folder / "pyspark-2g"): "/usr/local/share/jupyter/kernels/pyspark-2g",
    }
    assert (folder / "pyspark-1g" / "kernel.json").is_file(), "what is mounted is there"
    for image in ("plain", "no-java", "never-looked-at"):
        assert kernels.mounts(settings(layout), layout, Image(name="Other", image=image)) == {}


def test_an_image_with_java_gets_them_where_the_cluster_brings_pyspark(layout: Layout, has: dict[str, Facts]) -> None:
    has["plain"] = Facts("6.1.1", "", "17")
    with_spark = settings(layout, "pyspark: {spark_home: /opt/spark}")
    assert len(kernels.mounts(with_spark, layout, Image(name="Plain", image="plain"))) == 2


@pytest.mark.parametrize("other", ["big", "small"], ids=["two images", "two entries of one image"])
def test_an_entry_gets_only_the_sizes_that_its_own_limit_has_room_for(
    layout: Layout, has: dict[str, Facts], other: str
) -> None:
    has |= {"small": WITH_SPARK, "big": WITH_SPARK}
    site = settings(
        layout,
        f"docker: {{images: [{{name: S, image: small, memory: 2g}}, {{name: B, image: {other}, memory: 16g}}]}}\n"
        "pyspark: {driver_memory: [1g, 12g]}",
    )
    assert mounted(site, layout, "S") == ["pyspark-1g"]
    assert mounted(site, layout, "B") == ["pyspark-1g", "pyspark-12g"]


def test_the_page_takes_a_size_for_the_entry_that_has_room_for_it(layout: Layout, has: dict[str, Facts]) -> None:
    has["one"] = WITH_SPARK
    site = settings(
        layout,
        "docker: {images: [{name: S, image: one, memory: 2g}, {name: B, image: one, memory: 16g}]}\n"
        "pyspark: {driver_memory: [1g, 12g]}",
    )
    assert offers.check(site, layout, {"image": "B", "driver_memory": "12g"}).driver_memory == 12 * 1024**3
    with pytest.raises(offers.NotOfferedError, match="12g of driver memory is too much for S"):
        offers.check(site, layout, {"image": "S", "driver_memory": "12g"})


def test_without_docker_there_is_nothing_to_mount(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{layout.root}/nobody")
    assert kernels.mounts(settings(layout), layout, Image(name="Notebook", image=IMAGE)) == {}


def test_what_was_found_in_an_image_is_remembered_by_its_id(layout: Layout) -> None:
    images.remember(layout, "sha256:1", WITH_SPARK)
    images.remember(layout, "sha256:2", Facts("6.0.0", "", ""))
    record = layout.state / "images.json"
    assert json.loads(record.read_text())["sha256:1"]["pyspark"] == "3.5.9"
    assert images._known(layout, "sha256:2") == Facts("6.0.0", "", "")
    record.write_text("{")
    assert images._known(layout, "sha256:1") is None, "a damaged record is made anew, not stumbled over"


FAKE_SPARK = """\
import os


class SparkSession:
    sparkContext = "the context"

    class builder:
        @staticmethod
        def getOrCreate():
            if not os.path.exists(os.environ["SPARK_HOME"] + "/cluster-is-up"):
                raise RuntimeError("no resource manager answers")
            return SparkSession()
"""


@pytest.fixture
def spark_home(tmp_path: Path) -> Path:
    """A Spark that starts as soon as a file is there."""
    home = tmp_path / "spark"
    package = home / "python" / "pyspark"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "sql.py").write_text(FAKE_SPARK)
    (home / "python" / "lib").mkdir()
    (home / "python" / "lib" / "py4j-0.10-src.zip").touch()
    return home


def run(client: BlockingKernelClient, source: str) -> tuple[str, str]:
    """What a cell prints, on standard output and on standard error."""
    said = {"stdout": "", "stderr": ""}

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said[message["content"]["name"]] += message["content"]["text"]

    client.execute_interactive(source, output_hook=hear, timeout=60)
    return said["stdout"], said["stderr"]


def test_a_cell_says_why_spark_did_not_start_and_the_next_one_tries_again(layout: Layout, spark_home: Path) -> None:
    kernels.render(settings(layout, f"pyspark: {{spark_home: {spark_home}}}"), layout)
    manager = KernelManager(kernel_name="pyspark-1g")
    manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(kernels.folder(layout))])
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        printed, complaint = run(client, "print(6 * 7)")
        assert printed == "42\n", "a cell without Spark runs all the same"
        assert "Spark can't be started" in complaint and "no resource manager answers" in complaint
        (spark_home / "cluster-is-up").touch()
        assert run(client, "print(sc, type(spark).__name__)") == ("the context SparkSession\n", "")
        workers = "import os; print(os.environ['PYTHONPATH'].split(':')[:2], '_prepare_spark' in globals())"
        expected = [f"{spark_home}/python", f"{spark_home}/python/lib/py4j-0.10-src.zip"]
        assert run(client, workers) == (f"{expected} False\n", "")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
