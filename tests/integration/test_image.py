"""The users' image on a server: loaded, listed, checked; and an image on a base of the site's own."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forge import image, paths
from tests.containers import base_image

DOCKERFILE = paths.ROOT / "images" / "notebook"
OWN = "hubforge-test-own-base"


@dataclass(frozen=True)
class Hubctl:
    """The installed command, below a root of its own."""

    prefix: Path
    root: Path

    def __call__(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = self.prefix / "envs" / "jupyterhubenv" / "bin" / "hubctl"
        command = [program, "--root", self.root, "image", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture
def hubctl(prefix: Path, tmp_path: Path) -> Hubctl:
    (tmp_path / "var/lib/jupyterhub").mkdir(parents=True)
    settings = tmp_path / "etc/jupyterhub/hub.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "docker: {images: [{name: Notebook, image: hubforge/notebook}, {name: Mine, image: nobody/has-it}]}\n"
    )
    return Hubctl(prefix, tmp_path)


def test_the_image_file_is_loaded_and_is_the_one_that_was_built(hubctl: Hubctl, notebook_image: str) -> None:
    assert hubctl("load", image.ARCHIVE).stdout.splitlines() == [
        "loaded hubforge/notebook:latest",
        f"loaded hubforge/notebook:{release()}",
    ]
    _, built = (paths.DIST / f".{image.ARCHIVE.name}.inputs").read_text().split()
    [listed, missing] = json.loads(hubctl("list", "--json").stdout)
    assert listed["found"]["id"] == built
    assert listed["found"]["facts"]["pyspark"].startswith("3.5.")
    assert missing["found"] is None
    assert "Mine: nobody/has-it, not here" in hubctl("list").stdout


def test_a_damaged_file_is_refused_before_docker_sees_it(hubctl: Hubctl, tmp_path: Path) -> None:
    file = tmp_path / "image.tar.zst"
    file.write_bytes(b"half of it")
    file.with_name("image.tar.zst.sha256").write_text(f"{'0' * 64}  image.tar.zst\n")
    refused = hubctl("load", file, check=False)
    assert refused.returncode == 1
    assert refused.stderr == f"hubctl: {file} is not what image.tar.zst.sha256 says: copy it to this server again\n"


@pytest.mark.parametrize("content", [b"", b"half of it"])
def test_a_file_that_is_no_image_is_told_in_one_line(hubctl: Hubctl, tmp_path: Path, content: bytes) -> None:
    for name in ("image.tar", "image.tar.zst"):
        (tmp_path / name).write_bytes(content)
        refused = hubctl("load", tmp_path / name, check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr and name in refused.stderr


def test_the_image_can_be_a_users_server_whoever_the_user_is(hubctl: Hubctl, notebook_image: str) -> None:
    said = hubctl("check", "Notebook").stdout
    assert [line[:4] for line in said.splitlines()] == ["good"] * 4
    assert "kernels: python3; a cell ran in python3 as user 54321" in said
    assert "gets the PySpark kernels" in said
    assert "klist, kinit" in said


def test_spark_computes_without_a_cluster_and_with_python_functions(notebook_image: str) -> None:
    script = (
        "from pyspark.sql import SparkSession, functions, types\n"
        "import pandas\n"
        "spark = SparkSession.builder.master('local[2]').getOrCreate()\n"
        "twice = functions.udf(lambda n: 2 * n, types.LongType())\n"
        "frame = spark.range(4).select(twice('id').alias('n'))\n"
        "print('sum', frame.agg(functions.sum('n')).first()[0])\n"
        "print('pandas', list(frame.toPandas()['n']))\n"
        "print('back', spark.createDataFrame(pandas.DataFrame({'a': [1, 2]})).count())\n"
    )
    # Hadoop wants a name for the user; the hub brings the host's along. The address is what the kernels set.
    options = ["--rm", "--network=none", "--user=nobody", "--env=SPARK_LOCAL_IP=127.0.0.1"]
    command = ["docker", "run", *options, notebook_image, "python", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[-3:] == ["sum 12", "pandas [0, 2, 4, 6]", "back 2"], done.stderr[-3000:]


@pytest.fixture
def own_image(notebook_image: str) -> Iterator[str]:
    """The environment on a Debian with an older glibc, and without Java."""
    arguments = ["--build-arg", f"BASE={base_image('bullseye')}", "--build-arg", f"NOTEBOOK={notebook_image}"]
    subprocess.run(["docker", "build", "--quiet", "--tag", OWN, *arguments, str(DOCKERFILE)], check=True)
    yield OWN
    subprocess.run(["docker", "image", "rm", "--force", OWN], check=True, capture_output=True)


def test_an_image_on_a_base_of_the_sites_own_is_checked_and_remembered(hubctl: Hubctl, own_image: str) -> None:
    said = hubctl("check", own_image).stdout
    assert "no Java: gets no PySpark kernels" in said
    settings = hubctl.root / "etc/jupyterhub/hub.yaml"
    settings.write_text(f"docker: {{images: [{{name: Own, image: {own_image}}}]}}\n")
    [own] = json.loads(hubctl("list", "--json").stdout)
    assert own["found"]["facts"]["pyspark"].startswith("3.5.")
    assert own["found"]["facts"]["java"] == ""


def test_an_image_without_jupyterhub_is_refused(hubctl: Hubctl) -> None:
    refused = hubctl("check", base_image("bookworm"), check=False)
    assert refused.returncode == 1
    assert "can't be a user's server" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_image_that_docker_does_not_have_is_named(hubctl: Hubctl) -> None:
    refused = hubctl("check", "Mine", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "hubctl: Docker has no image nobody/has-it: load it: hubctl image load FILE\n"


def release() -> str:
    """The version that `construct.yaml` names."""
    from forge import construct

    return construct.read(paths.CONSTRUCT).version
