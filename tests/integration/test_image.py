"""The users' image on a server: loaded, listed, checked; and an image on a base of the site's own."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forge import image, locks, paths
from tests.containers import base_image

DOCKERFILE = paths.ROOT / "images" / "notebook"
OWN = "hubforge-test-own-base"
BROKEN = "hubforge-test-broken"


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
    assert "Mine nobody/has-it not here" in hubctl("list").stdout


def test_a_damaged_file_is_refused_before_docker_sees_it(hubctl: Hubctl, tmp_path: Path) -> None:
    file = tmp_path / "image.tar.zst"
    file.write_bytes(b"half of it")
    file.with_name("image.tar.zst.sha256").write_text(f"{'0' * 64}  image.tar.zst\n")
    refused = hubctl("load", file, check=False)
    assert refused.returncode == 1
    assert refused.stderr == f"hubctl: {file} is not what image.tar.zst.sha256 says: copy it to this server again\n"


def test_half_a_file_is_refused_in_one_line_where_there_is_no_sum_to_check(
    hubctl: Hubctl, notebook_image: str, tmp_path: Path
) -> None:
    with image.ARCHIVE.open("rb") as whole:
        (tmp_path / "image.tar.zst").write_bytes(whole.read(20 * 2**20))
    refused = hubctl("load", tmp_path / "image.tar.zst", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("hubctl: image.tar.zst could not be loaded: ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"half of it"])
def test_a_file_that_is_no_image_is_told_in_one_line(hubctl: Hubctl, tmp_path: Path, content: bytes) -> None:
    for name in ("image.tar", "image.tar.zst"):
        (tmp_path / name).write_bytes(content)
        refused = hubctl("load", tmp_path / name, check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr and name in refused.stderr


def test_the_image_can_be_a_users_server_whoever_the_user_is(hubctl: Hubctl, notebook_image: str) -> None:
    said = hubctl("check", "Notebook").stdout
    assert [line.split()[0] for line in said.splitlines()] == ["good"] * 4
    assert [finding["good"] for finding in json.loads(hubctl("check", "Notebook", "--json").stdout)] == [True] * 4
    assert "kernels: python3; a cell ran in python3 as user 54321" in said
    assert "gets the PySpark kernels" in said
    assert "klist, kinit" in said


LIBRARIES = """\
import io, os, sys
import kerberos, matplotlib.pyplot as plt, numpy, pandas, pyarrow.parquet, pyodbc
from impala import dbapi
from pyhive import hive
plt.plot(numpy.arange(3))
picture = io.BytesIO()
plt.savefig(picture, format="png")
print("plot", picture.getvalue()[:8] == b"\\x89PNG\\r\\n\\x1a\\n")
pandas.DataFrame({"n": [1, 2], "t": ["a", "ä"]}).to_parquet("/tmp/x.parquet")
print("parquet", pandas.read_parquet("/tmp/x.parquet").to_dict("list"))
print("odbc", pyodbc.drivers())
print("user", os.getuid(), os.access(sys.prefix, os.W_OK), os.access(os.environ["HOME"], os.W_OK))
print("first process", open("/proc/1/comm").read())
"""


def test_what_analysts_import_works_for_a_user_whom_nobody_knows_and_without_a_home(notebook_image: str) -> None:
    options = ["--rm", "--network=none", "--user=71234:71234", "--env=HOME=/nowhere", "--cap-drop=ALL"]
    done = subprocess.run(
        ["docker", "run", *options, notebook_image, "python", "-c", LIBRARIES], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "plot True",
        "parquet {'n': [1, 2], 't': ['a', 'ä']}",
        "odbc []",
        "user 71234 False False",
        "first process tini",
        "",
    ], done.stderr


def test_every_package_of_the_image_has_its_licence_in_it(notebook_image: str) -> None:
    script = "cd /opt/notebook/share/licenses && find . -type f -size +0 | cut -d / -f 2 | sort -u"
    listed = subprocess.run(
        ["docker", "run", "--rm", "--network=none", notebook_image, "sh", "-c", script], capture_output=True, text=True
    )
    assert set(locks.read(image.LOCK)) - set(listed.stdout.split()) <= WITHOUT_FILES


def test_pip_finds_every_requirement_met_in_the_image(notebook_image: str) -> None:
    command = ["docker", "run", "--rm", "--network=none", notebook_image, "python", "-m", "pip", "check"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "No broken requirements found.\n"


WITHOUT_FILES = {"python_abi"}
"""Packages that hold nothing, for the solver alone."""


FIRST_PAGE = """\
import json, re, socket, subprocess, time, urllib.request
server = subprocess.Popen(["jupyter", "lab", "--port=8888", "--IdentityProvider.token="], stderr=subprocess.DEVNULL)
while socket.socket().connect_ex(("127.0.0.1", 8888)):
    assert server.poll() is None
    time.sleep(0.2)
page = urllib.request.urlopen("http://127.0.0.1:8888/lab").read().decode()
config = json.loads(re.search(r'jupyter-config-data" type="application/json">(.*?)</script>', page, re.S)[1])
address = "http://127.0.0.1:8888" + re.search(r'src="([^"]*/static/lab/main[^"]*)"', page)[1]
main = urllib.request.urlopen(urllib.request.Request(address, headers={"Accept-Encoding": "gzip"}))
print(json.dumps({
    "encoding": main.headers["Content-Encoding"],
    "cache": main.headers["Cache-Control"],
    "build": config["buildCheck"] or config["buildAvailable"],
    "install": config["extensionManager"]["can_install"],
    "off": config["disabledExtensions"],
}))
server.terminate()
server.wait()
"""


def test_the_first_page_is_small_and_asks_for_nothing_from_outside(notebook_image: str) -> None:
    command = ["docker", "run", "--rm", "--network=none", "--user=71234", notebook_image, "python", "-c", FIRST_PAGE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["encoding"] == "gzip"
    assert found["cache"] == "public, max-age=31536000, immutable"
    assert not found["build"] and not found["install"]
    assert "@jupyterlab/apputils-extension:announcements" in found["off"]


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


@pytest.fixture(scope="module")
def own_image(notebook_image: str) -> Iterator[str]:
    """The environment on a Debian with an older glibc, with an ODBC driver, and without Java; built without network."""
    base = base_image("bullseye", ["libsqliteodbc", "unixodbc"])
    arguments = ["--network=none", "--build-arg", f"BASE={base}", "--build-arg", f"NOTEBOOK={notebook_image}"]
    subprocess.run(["docker", "build", "--quiet", "--tag", OWN, *arguments, str(DOCKERFILE)], check=True)
    yield OWN
    subprocess.run(["docker", "image", "rm", "--force", OWN], check=True, capture_output=True)


def test_an_odbc_driver_of_the_sites_base_is_found(own_image: str) -> None:
    script = 'import pyodbc; print(pyodbc.connect("Driver=SQLite3").execute("select 6 * 7").fetchval())'
    command = ["docker", "run", "--rm", "--network=none", own_image, "python", "-c", script]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "42\n"


def test_an_image_on_a_base_of_the_sites_own_is_checked_and_remembered(hubctl: Hubctl, own_image: str) -> None:
    said = hubctl("check", own_image).stdout
    assert "no Java: gets no PySpark kernels" in said
    settings = hubctl.root / "etc/jupyterhub/hub.yaml"
    settings.write_text(f"docker: {{images: [{{name: Own, image: {own_image}}}]}}\n")
    [own] = json.loads(hubctl("list", "--json").stdout)
    assert own["found"]["facts"]["pyspark"].startswith("3.5.")
    assert own["found"]["facts"]["java"] == ""


OLDER_HUB = """\
WORKDIR /x/jupyterhub-5.4.0.dist-info
RUN printf 'Name: jupyterhub\\nVersion: 5.4.0\\n' >METADATA
ENV PYTHONPATH=/x
"""
BROKEN_KERNEL = """\
WORKDIR /x
RUN echo 'raise SystemExit("no kernel today")' >ipykernel_launcher.py
ENV PYTHONPATH=/x
"""


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("RUN rm /opt/notebook/bin/jupyterhub-singleuser", "no jupyterhub-singleuser: install jupyterhub==6."),
        (OLDER_HUB, "jupyterhub 5.4.0 does not fit the hub's 6."),
        (BROKEN_KERNEL, "a Python kernel does not run: RuntimeError('Kernel died"),
        ("RUN chmod 0700 /opt/notebook/lib", "no Python that runs as user 54321: the image said"),
        ("RUN chmod 0700 /opt", "no Python that runs as user 54321: the image said"),
    ],
    ids=["no jupyterhub-singleuser", "another major version", "no kernel", "root's files", "root's folder"],
)
def test_an_image_that_can_be_nobodys_server_is_refused_with_the_reason(
    hubctl: Hubctl, notebook_image: str, lines: str, verdict: str
) -> None:
    dockerfile = f"FROM {notebook_image}\nUSER 0\n{lines}\nUSER 65534\n"
    build = ["docker", "build", "--quiet", "--network=none", "--tag", BROKEN, "-"]
    subprocess.run(build, input=dockerfile, text=True, check=True, capture_output=True)
    try:
        refused = hubctl("check", BROKEN, check=False)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", BROKEN], check=True, capture_output=True)
    assert refused.returncode == 1
    assert f"BAD {verdict}" in refused.stdout
    assert refused.stderr.startswith(f"hubctl: {BROKEN} can't be a user's server: mend what is marked BAD")


def test_an_image_without_python_is_refused(hubctl: Hubctl) -> None:
    refused = hubctl("check", base_image("bookworm"), check=False)
    assert refused.returncode == 1
    assert "BAD no Python that runs as user 54321" in refused.stdout
    assert "Traceback" not in refused.stderr


def test_what_a_check_has_found_counts_more_than_the_label_of_what_an_image_is_built_on(
    hubctl: Hubctl, notebook_image: str
) -> None:
    dockerfile = f"FROM {notebook_image}\nUSER 0\nRUN rm /usr/lib/jvm/java-17-openjdk-amd64/bin/java\nUSER 65534\n"
    build = ["docker", "build", "--quiet", "--network=none", "--tag", OWN, "-"]
    subprocess.run(build, input=dockerfile, text=True, check=True, capture_output=True)
    try:
        assert "but no Java: gets no PySpark kernels" in hubctl("check", OWN).stdout
        (hubctl.root / "etc/jupyterhub/hub.yaml").write_text(f"docker: {{images: [{{name: Own, image: {OWN}}}]}}\n")
        assert json.loads(hubctl("list", "--json").stdout)[0]["found"]["facts"]["java"] == ""
    finally:
        subprocess.run(["docker", "image", "rm", "--force", OWN], check=True, capture_output=True)


def test_an_image_that_docker_does_not_have_is_named(hubctl: Hubctl) -> None:
    refused = hubctl("check", "Mine", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "hubctl: Docker has no image nobody/has-it: load it: hubctl image load FILE\n"


def release() -> str:
    """The version that `construct.yaml` names."""
    from forge import construct

    return construct.read(paths.CONSTRUCT).version
