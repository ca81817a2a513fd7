"""An upgrade of a server by the real installer: ``-u`` from a release before, back, and again; killed on the way."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forge import condapkg, construct
from forge.condapkg import Index, Member
from forge.paths import CONSTRUCT
from tests import older_release
from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT, PREFIX
from tests.waiting import wait_for

OLD, NEW = older_release.VERSION, construct.read(CONSTRUCT).version

ASKING = """
import ssl, sys, time, urllib.request
context = ssl._create_unverified_context()
while True:
    try:
        code = urllib.request.urlopen("https://localhost:8000/hub/health", context=context, timeout=20).status
    except OSError as error:
        code = error
    print(code, flush=True)
    time.sleep(0.2)
"""
"""Asks the hub all the time; what it needs is loaded before the upgrade begins."""


WRITTEN_BY_CONDA = re.compile(r"(^|/)conda-meta/|\.pyc$|(^|/)bin/(idna|cull_idle_servers\.py|jupyterhub-idle-culler)$")
"""What conda writes itself when it links a package: records, byte code of pure Python, programs of entry points."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the administrator adds: a conda package and a wheel."""
    folder = tmp_path_factory.mktemp("site")
    condapkg.write(
        folder, Index("mine", "5.0", "site_0", depends=("idna",)), [Member("share/mine", b"mine\n")], epoch=0
    )
    with zipfile.ZipFile(folder / "theirs-1.0-py3-none-any.whl", "w") as wheel:
        about = "theirs-1.0.dist-info"
        wheel.writestr("theirs.py", "number = 1\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


@pytest.fixture(scope="module")
def server(older: Path, installer: Path, site: Path) -> Iterator[Container]:
    """A bare server without network on which the older release runs; its administrator has been at work."""
    mounts = {older.parent: "/older", installer.parent: "/dist", site: "/site"}
    with running(base_image("bookworm"), mounts=mounts) as container:
        container.run("bash", f"/older/{older.name}", "-b")
        container.shell("echo '# ours' >> /etc/jupyterhub/hub.yaml")
        container.shell(f"{PREFIX}/bin/conda install -q -y -p {ENVIRONMENT} --offline /site/mine-5.0-site_0.conda")
        container.shell(f"{ENVIRONMENT}/bin/pip install -q --no-index /site/theirs-1.0-py3-none-any.whl")
        container.shell(f"{ENVIRONMENT}/bin/hubctl start")
        yield container


def packages(server: Container, environment: str = "jupyterhubenv") -> dict[str, str]:
    """Names and versions, as ``conda list`` has them."""
    listed = json.loads(server.shell(f"{PREFIX}/bin/conda list --json -n {environment}"))
    return {package["name"]: package["version"] for package in listed}


def hub_pid(server: Container) -> str:
    return server.shell("head -n 1 /run/jupyterhub/hub.pid").strip()


def history(server: Container) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(server.shell(f"{ENVIRONMENT}/bin/hubctl history --json"))
    return found


# ---- on a server; each test goes on where the one before ended ----


def test_the_hub_goes_on_answering_while_it_is_upgraded(server: Container) -> None:
    pid = hub_pid(server)
    server.run("sh", "-c", "cat > /tmp/asking.py", text=ASKING)
    server.shell(f"{ENVIRONMENT}/bin/python /tmp/asking.py > /tmp/answers & echo $! > /tmp/asking.pid")
    wait_for("the first answer", lambda: server.shell("cat /tmp/answers"))
    said = server.run("bash", "/dist/hub-installer.sh", "-b", "-u").stdout
    answers = server.shell("kill $(cat /tmp/asking.pid); cat /tmp/answers").splitlines()
    assert set(answers) == {"200"}
    assert hub_pid(server) == pid
    assert "The hub that runs is still the one before" in said
    assert "jupyterhubenv: these stay, which somebody added: mine" in said
    assert "theirs" in said


def test_the_new_release_is_there_and_what_was_added_has_stayed(server: Container) -> None:
    found = packages(server)
    assert (found["hubforge"], found["hubctl"]) == (NEW, NEW)
    assert older_release.DROPPED not in found
    assert (found["mine"], found["theirs"]) == ("5.0", "1.0")
    assert server.shell(f"{ENVIRONMENT}/bin/python -c 'import theirs, idna; print(theirs.number)'") == "1\n"
    assert server.shell(f"ls {ENVIRONMENT}/share/older {ENVIRONMENT}/share/only-before 2>/dev/null || true") == ""
    assert packages(server, "base")["idna"] != older_release.CHANGED["idna"]


def test_edited_settings_have_stayed_and_the_new_default_is_beside_them(server: Container) -> None:
    assert server.shell("tail -n 1 /etc/jupyterhub/hub.yaml") == "# ours\n"
    assert "# of the release before" in server.shell("cat /etc/jupyterhub/hub.yaml")
    assert "# of the release before" not in server.shell("cat /etc/jupyterhub/hub.yaml.new")


def test_conda_and_hubctl_know_the_revisions(server: Container) -> None:
    listed = json.loads(server.shell(f"{PREFIX}/bin/conda list --revisions --json -n jupyterhubenv"))
    assert [revision["rev"] for revision in listed] == [0, 1, 2]
    assert [(entry["number"], entry["release"]) for entry in history(server)] == [(0, OLD), (1, OLD), (2, NEW)]
    assert json.loads(server.shell(f"{PREFIX}/bin/conda list --revisions --json -n base"))[1]["upgrade"]


def test_hubctl_rollback_goes_back_without_network_or_channel(server: Container) -> None:
    assert server.shell("ls /srv/conda 2>/dev/null || true") == ""
    server.shell(f"{ENVIRONMENT}/bin/hubctl rollback --yes")
    found = packages(server)
    assert (found["hubforge"], found["hubctl"], found["mine"], found["theirs"]) == (OLD, OLD, "5.0", "1.0")
    assert server.shell(f"cat {ENVIRONMENT}/share/only-before") == "before\n"
    assert server.shell(f"{ENVIRONMENT}/bin/jupyterhub --version")
    assert server.shell(f"{ENVIRONMENT}/bin/hubctl setup --check")


def test_conda_then_asks_for_the_release_that_is_there(server: Container) -> None:
    planned = server.shell(f"{PREFIX}/bin/conda install --offline --dry-run --json -n jupyterhubenv boltons")
    assert [package["name"] for package in json.loads(planned)["actions"]["LINK"]] == ["boltons"]


def test_revisions_that_are_not_there_are_refused_with_those_that_are(server: Container) -> None:
    unknown = server.run(f"{ENVIRONMENT}/bin/hubctl", "rollback", "--yes", "--to", "99", check=False)
    assert unknown.returncode == 1
    assert "from 0 to" in unknown.stderr


def test_u_again_and_a_restart_where_it_is_asked_for(server: Container) -> None:
    pid = hub_pid(server)
    said = server.run("bash", "/dist/hub-installer.sh", "-b", "-u", "--restart").stdout
    assert "Starting the hub again" in said
    assert hub_pid(server) != pid
    found = packages(server)
    assert (found["hubforge"], found["mine"], found["theirs"]) == (NEW, "5.0", "1.0")
    assert json.loads(server.shell(f"{ENVIRONMENT}/bin/hubctl status --json"))["answers"]


def test_pips_own_version_of_a_package_that_changes_is_in_the_way(server: Container) -> None:
    server.shell(f"{PREFIX}/bin/conda install -q -y --offline -n jupyterhubenv --revision 0")
    folder = f"{ENVIRONMENT}/lib/python3.13/site-packages"
    server.shell(
        f"mv {folder}/idna-*.dist-info {folder}/idna-99.dist-info; echo pip > {folder}/idna-99.dist-info/INSTALLER"
    )
    refused = server.run("bash", "/dist/hub-installer.sh", "-b", "-u", check=False)
    assert refused.returncode == 1
    assert f"{ENVIRONMENT}/bin/python -m pip uninstall idna" in refused.stderr
    assert packages(server)["hubforge"] == OLD


# ---- killed, file by file ----


def tree(prefix: Path) -> dict[str, str]:
    """Every file but those with a date in them, and the package cache, which keeps the releases before."""
    found = {}
    for path in sorted(prefix.rglob("*")):
        name = path.relative_to(prefix).as_posix()
        if name.startswith(("pkgs/", ".hubforge/")) or name.endswith("conda-meta/history"):
            continue
        if path.is_symlink():
            found[name] = f"link {path.readlink()}"
        elif path.is_dir():
            found[name] = f"folder {path.stat().st_mode:o}"
        else:
            found[name] = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def differences(found: dict[str, str], expected: dict[str, str]) -> set[str]:
    """The files that differ between two trees of many thousands."""
    return {name for name, _ in found.items() ^ expected.items()}


POINTS: dict[str, Callable[[Path], bool]] = {
    "conda has begun": lambda folder: (folder / ".condatmp").exists(),
    "a record is gone": lambda folder: not any(folder.glob(f"conda-meta/hubctl-{NEW}-*.json")),
    "other files are there": lambda folder: (folder / "share/only-before").exists(),
    "a record was begun": lambda folder: any(folder.glob(f"conda-meta/*-{OLD}-*.json")),
}
"""How far conda is on its way back, by what can be seen of it; each stays true to the end."""

VARIABLES = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
"""Byte code that Python writes when root runs it is nobody's."""


class Trial:
    """One prefix, upgraded again and again."""

    def __init__(self, folder: Path, older: Path, installer: Path) -> None:
        self.prefix, self.older, self.installer = folder / "prefix", older, installer
        self.run(installer)
        self.expected = tree(self.prefix)
        self.reset()
        self.before = tree(self.prefix)
        started = time.monotonic()
        self.run(installer, "-u")
        self.seconds = time.monotonic() - started

    def command(self, file: Path, *arguments: str) -> list[str]:
        return ["bash", str(file), "-bs", *arguments, "-p", str(self.prefix), "--log", "/dev/null"]

    def run(self, file: Path, *arguments: str) -> None:
        subprocess.run(self.command(file, *arguments), check=True, stdout=subprocess.DEVNULL)

    def reset(self) -> None:
        """The older release, installed into nothing."""
        shutil.rmtree(self.prefix)
        self.run(self.older)

    @property
    def environment(self) -> Path:
        """The hub's."""
        return self.prefix / "envs/jupyterhubenv"

    def going_back(self) -> list[str]:
        """``hubctl rollback``, beside which this machine stays as it is."""
        root = self.prefix.parent / "root"
        root.mkdir(exist_ok=True)
        return [str(self.environment / "bin/hubctl"), f"--root={root}", "rollback", "--yes"]

    def hubctl_starts(self) -> bool:
        """Whether a kill has left all of it that it needs."""
        hubctl = self.environment / "bin/hubctl"
        help_ = [str(hubctl), "rollback", "--help"]
        return hubctl.exists() and subprocess.run(help_, capture_output=True, env=VARIABLES).returncode == 0

    def kill_where(self, command: list[str], point: str) -> str:
        """Ends ``command`` by SIGKILL as soon as the hub's environment is at a point of POINTS; what it has said."""
        reached = POINTS[point]
        with subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, text=True, env=VARIABLES
        ) as process:
            while not reached(self.environment):
                assert process.poll() is None, f"ended before this: {point}"
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0]

    def kill_after(self, part: float) -> None:
        """Ends ``-u`` by SIGKILL when this part of its time is over."""
        with subprocess.Popen(
            self.command(self.installer, "-u"), start_new_session=True, stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(self.seconds * part)
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def trial(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Both releases without notebooks, and in memory, since they are laid down and removed so often."""
    folder = tmp_path_factory.mktemp("trial")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=0755", "none", str(folder)], check=True)
    try:
        older, installer = older_release.older_installer(folder, small=True), older_release.small_installer(folder)
        yield Trial(folder, older, installer)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_an_upgraded_prefix_is_that_of_a_new_installation(trial: Trial) -> None:
    assert differences(tree(trial.prefix), trial.expected) == set()


def test_condas_own_revision_gives_back_every_file(trial: Trial) -> None:
    conda = str(trial.prefix / "bin/conda")
    for environment in ("jupyterhubenv", "base"):
        command = [conda, "install", "-q", "-y", "--offline", "-n", environment, "--revision", "0"]
        subprocess.run(command, check=True, env=VARIABLES)
    changed = differences(tree(trial.prefix), trial.before)
    assert {name for name in changed if not WRITTEN_BY_CONDA.search(name)} == set()
    trial.run(trial.installer, "-u")
    assert differences(tree(trial.prefix), trial.expected) == set()


@pytest.mark.parametrize("part", [0.2, 0.35, 0.45, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9, 0.97])
def test_killed_the_same_command_finishes(trial: Trial, part: float) -> None:
    trial.reset()
    trial.kill_after(part)
    marker = trial.prefix / ".hubforge/installed.json"
    if marker.exists():
        version = json.loads(marker.read_text())["version"]
        whole = trial.before if version == OLD else trial.expected
        assert differences(tree(trial.prefix), whole) == set(), "no mixture"
    trial.run(trial.installer, "-u")
    assert differences(tree(trial.prefix), trial.expected) == set()
    assert {path.name for path in (trial.prefix / ".hubforge").iterdir()} == {"installed.json"}


# ---- conda, killed while it goes back ----


@pytest.fixture(scope="module")
def gone_back(trial: Trial) -> dict[str, str]:
    """The files after a ``hubctl rollback`` that nobody disturbed."""
    trial.reset()
    trial.run(trial.installer, "-u")
    subprocess.run(trial.going_back(), check=True, env=VARIABLES)
    return tree(trial.prefix)


@pytest.mark.parametrize("point", POINTS)
def test_a_rollback_that_was_killed_is_finished_by_the_same_command(
    trial: Trial, gone_back: dict[str, str], point: str
) -> None:
    trial.reset()
    trial.run(trial.installer, "-u")
    said = trial.kill_where(trial.going_back(), point)
    named = next(line.split() for line in said.splitlines() if "finish --back" in line)
    # what a kill leaves that comes a little later, while conda has byte code made; conda itself lets it lie
    (trial.environment / ".tmp0a1b2c3d").write_text("lib/python3.13/site-packages/idna/core.py\n")
    again = trial.going_back() if trial.hubctl_starts() else named
    done = subprocess.run(again, capture_output=True, text=True, env=VARIABLES)
    assert done.returncode == 0, done.stderr
    assert "The environment is as in revision 0" in done.stdout
    changed = differences(tree(trial.prefix), gone_back)
    assert {name for name in changed if not WRITTEN_BY_CONDA.search(name)} == set()
    assert {path.name for path in (trial.prefix / ".hubforge").iterdir()} == {"installed.json"}


def test_after_a_rollback_the_installer_of_that_release_is_no_downgrade(trial: Trial) -> None:
    trial.reset()
    trial.run(trial.installer, "-u")
    done = subprocess.run(trial.going_back(), check=True, capture_output=True, text=True, env=VARIABLES)
    assert "base stays as it is" in done.stdout
    trial.run(trial.older, "-u")
    base = trial.prefix / "conda-meta"
    assert any(base.glob(f"idna-{older_release.CHANGED['idna']}-*.json")), "base went back, too"


@pytest.mark.parametrize("point", POINTS)
def test_u_mends_an_environment_in_which_conda_was_killed(trial: Trial, point: str) -> None:
    trial.reset()
    trial.run(trial.installer, "-u")
    conda = str(trial.prefix / "bin/conda")
    trial.kill_where([conda, "install", "-y", "--offline", "-n", "jupyterhubenv", "--revision", "0"], point)
    # what a kill leaves that comes a little later, while conda has byte code made
    (trial.environment / ".tmp0a1b2c3d").write_text("lib/python3.13/site-packages/idna/core.py\n")
    (trial.environment / ".tmpsomebody").write_text("a person's")
    trial.run(trial.installer, "-u")
    assert differences(tree(trial.prefix), trial.expected) == {"envs/jupyterhubenv/.tmpsomebody"}
