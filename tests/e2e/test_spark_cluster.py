"""PySpark kernels of users' servers with a cluster: a real one of Spark's own kind, and what can be tried of YARN."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.containers import gateway
from tests.e2e.docker_hub import docker_hub
from tests.login import Session
from tests.realm_server import remove_containers

USER = "ada"
CONTAINER = f"jupyter-{USER}"
PARCEL = "opt/parcels/CDH-1"
"""Laid out as a parcel is: jars for all of its programs in one folder, configuration below /etc."""

SPARK_HOME = "/opt/parcels/CDH/lib/spark"

KERNEL = """\
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="pyspark-1g", startup_timeout=120)
try:
    client.execute_interactive(sys.argv[1], timeout=240)
finally:
    manager.shutdown_kernel(now=True)
"""


@contextmanager
def server(prefix: Path, network: str, settings: str, prepare: Callable[[Path], object]) -> Iterator[None]:
    """A user's running server; the hub has these ``settings``, and what ``prepare`` lays out in its folder."""
    images = f"docker: {{network: {network}, images: [{{name: Notebook, image: hubforge/notebook}}]}}\n"
    with docker_hub(prefix, images + settings, prepare) as hub:
        try:
            session = Session(hub.address)
            session.log_in(USER, hub.password)
            session.start_server(USER)
            yield
        finally:
            remove_containers([USER])


@contextmanager
def kernel(source: str) -> Iterator[subprocess.Popen[str]]:
    """A cell that runs in the user's PySpark kernel."""
    command = ["docker", "exec", CONTAINER, "python", "-c", KERNEL, source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def run_in_kernel(source: str) -> str:
    """What a cell prints in the user's PySpark kernel."""
    with kernel(source) as running:
        return running.communicate(timeout=300)[0]


@pytest.fixture(scope="module")
def node(notebook_image: str) -> Iterator[Path]:
    """What a host of the cluster has: the site's own Spark, out of the image's, and its configuration."""
    # not below pytest's own folder, which no container's user can enter
    folder = Path(f"/var/tmp/hubforge-cluster-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        lay_out_spark(folder, notebook_image)
        yield folder
    finally:
        shutil.rmtree(folder)


def lay_out_spark(folder: Path, image: str) -> None:
    parcel = folder / PARCEL
    home = parcel / "lib/spark"
    (home / "python/lib").mkdir(parents=True)
    (folder / "opt/parcels/CDH").symlink_to(parcel.name)
    made = subprocess.run(["docker", "create", image], check=True, capture_output=True, text=True)
    source = f"{made.stdout.strip()}:/opt/notebook/lib/python3.13/site-packages/pyspark"
    subprocess.run(["docker", "cp", source, home / "python"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["docker", "rm", made.stdout.strip()], check=True, capture_output=True)
    package = home / "python/pyspark"
    for name in ("bin", "sbin"):
        (package / name).rename(home / name)
    (package / "jars").rename(parcel / "jars")
    (home / "jars").symlink_to("../../jars")
    for archive in (package / "python/lib").iterdir():
        archive.rename(home / "python/lib" / archive.name)
    conf = folder / "etc/spark/conf"
    conf.with_name("conf.site").mkdir(parents=True)
    conf.symlink_to("conf.site")
    (conf / "spark-defaults.conf").write_text("spark.hubforge.from the site\n")
    (home / "conf").symlink_to("/etc/spark/conf")


@contextmanager
def daemon(image: str, node: Path, name: str, *arguments: str) -> Iterator[str]:
    """One of the cluster's processes, in a container of its own with that name as its host's name; its address."""
    mounts = [f"--volume={node}/{place}:/{place}:ro" for place in ("opt/parcels", "etc/spark/conf")]
    command = ["docker", "run", "--detach", "--user=nobody", f"--hostname={name}", *mounts, image]
    program = [f"{SPARK_HOME}/bin/spark-class", f"org.apache.spark.deploy.{name}.{name.title()}"]
    started = subprocess.run([*command, *program, *arguments], check=True, capture_output=True, text=True)
    container = started.stdout.strip()
    try:
        shown = subprocess.run(["docker", "inspect", container], check=True, capture_output=True, text=True)
        yield str(json.loads(shown.stdout)[0]["NetworkSettings"]["IPAddress"])
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)


@pytest.fixture(scope="module")
def master(node: Path, notebook_image: str) -> Iterator[str]:
    """A Spark cluster of one worker; its address."""
    with daemon(notebook_image, node, "master", "--port", "7077") as address:
        where = f"spark://{address}:7077"
        with daemon(notebook_image, node, "worker", "--cores", "2", "--work-dir", "/tmp/work", where):
            yield where


CLUSTER = """\
import socket
hosts = sc.parallelize(range(4), 2).map(lambda _: socket.gethostname()).distinct().collect()
print("executors on", hosts, "of", sc.master)
print("pandas", list(spark.range(3).toPandas()["id"]))
import pyspark
print("python", pyspark.__file__)
core = sc._jvm.java.lang.Class.forName("org.apache.spark.SparkContext")
print("jar", core.getProtectionDomain().getCodeSource().getLocation().getPath())
print("kernelspec", [line.split()[3][:3] for line in open("/proc/mounts") if "/kernels/pyspark-1g" in line])
print("defaults", sc.getConf().get("spark.hubforge.from"))
print("heap", sc._jvm.java.lang.Runtime.getRuntime().maxMemory() // 2**20)
"""


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_a_kernel_computes_on_the_cluster_with_the_sites_own_spark(
    prefix: Path, node: Path, master: str, network: str
) -> None:
    def prepare(root: Path) -> None:
        (root / "opt").mkdir()
        for place in ("opt/parcels", "etc/spark"):
            (root / place).symlink_to(node / place)

    mounts = "mounts: [{host: /opt/parcels}, {host: /etc/spark/conf}]\n"
    spark = f"pyspark: {{driver_memory: [1g], master: '{master}', spark_home: {SPARK_HOME}}}\n"
    with server(prefix, network, mounts + spark, prepare):
        said = run_in_kernel(CLUSTER)
        assert f"executors on ['worker'] of {master}" in said, said
        assert "pandas [0, 1, 2]" in said
        assert f"python {SPARK_HOME}/python/pyspark/__init__.py" in said
        assert f"jar /{PARCEL}/jars/spark-core_" in said
        assert "defaults the site" in said
        assert "kernelspec ['ro,']" in said


YARN_SITE = """\
<configuration>
  <property><name>yarn.resourcemanager.address</name><value>{address}:{port}</value></property>
</configuration>
"""


@pytest.mark.usefixtures("notebook_image")
def test_spark_looks_for_yarn_where_hadoops_configuration_says(prefix: Path) -> None:
    """No ResourceManager can be had here: a socket takes its place, and sees that Hadoop's protocol arrives."""
    address = gateway()
    with socket.create_server((address, 0)) as manager:
        port = manager.getsockname()[1]

        def prepare(root: Path) -> None:
            conf = root / "etc/hadoop/conf"
            conf.mkdir(parents=True)
            (conf / "yarn-site.xml").write_text(YARN_SITE.format(address=address, port=port))

        yarn = "pyspark: {driver_memory: [1g], master: yarn, hadoop_conf: /etc/hadoop/conf}\n"
        with server(prefix, "bridge", yarn, prepare), kernel("sc") as running:
            manager.settimeout(180)
            connection, _ = manager.accept()
            with connection:
                assert connection.recv(4) == b"hrpc", "the first bytes of Hadoop's RPC"
            assert running.poll() is None
