"""``-u`` that fails, is killed, or has no room: one release or the other is whole, or the same command goes on."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.installer_stub import SHELLS, mounted, run
from tests.unit.upgrade_releases import HUB, Releases, add, back_through_conda, build, is_complete, new_tree, tree

pytest_plugins = ["tests.unit.upgrade_releases"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_failure_while_linking_goes_back_by_itself(releases: Releases, prefix: Path, shell: str) -> None:
    add(prefix, releases.added("mine"))
    (prefix / HUB / "share/demo/2.0").write_text("a file where 2026.12 has a folder\n")
    before = tree(prefix)
    failed = run(releases.new, "-bus", "-p", prefix, shell=shell)
    assert failed.returncode == 4
    assert "the ones before again" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert tree(prefix) == before
    assert is_complete(prefix, "2026.11")
    (prefix / HUB / "share/demo/2.0").unlink()
    assert run(releases.new, "-bus", "-p", prefix, shell=shell).returncode == 0
    assert is_complete(prefix, "2026.12")


def test_a_failure_while_unpacking_has_changed_nothing(releases: Releases, prefix: Path) -> None:
    before = tree(prefix)
    pkgs = prefix / "pkgs"
    pkgs.rename(prefix / "elsewhere")
    pkgs.write_text("a file where a folder belongs\n")
    failed = run(releases.new, "-bus", "-p", prefix)
    assert failed.returncode == 4
    pkgs.unlink()
    (prefix / "elsewhere").rename(pkgs)
    assert tree(prefix) == before
    assert json.loads((prefix / ".hubforge/installed.json").read_text())["version"] == "2026.11"
    assert run(releases.new, "-bus", "-p", prefix).returncode == 0


# ---- killed ----

KILL_POINTS = 18


class Disturbed:
    """Releases whose Python kills the installer while it links, a given time after its start."""

    def __init__(self, folder: Path) -> None:
        self.delay = folder / "delay"
        self.prefix = folder / "prefix"
        kill = f'(sleep "$(cat {self.delay})"; rm {self.delay}; kill -9 0) </dev/null >/dev/null 2>&1 &'
        began = f"if [ -e {self.delay} ]; then {kill} fi; date +%s.%N >{folder}/began"
        self.no_way_back = folder / "no-way-back"
        self.delay_back = folder / "delay-back"
        kill_back = f'(sleep "$(cat {self.delay_back})"; kill -9 0) </dev/null >/dev/null 2>&1 &'
        back = f"[ ! -e {self.no_way_back} ] || kill -9 0; if [ -e {self.delay_back} ]; then {kill_back} fi"
        self.releases = build(
            folder, f'case "$*" in *"upgrade.py link"*) {began} ;; *"upgrade.py back"*) {back} ;; esac'
        )
        self.expected = new_tree(self.releases, self.prefix)
        run(self.releases.old, "-bs", "-p", self.prefix)
        self.before = tree(self.prefix)
        assert run(self.releases.new, "-bus", "-p", self.prefix).returncode == 0
        self.seconds = time.time() - float((folder / "began").read_text())
        shutil.rmtree(self.prefix)

    def upgrade(self, shell: str = "sh", release: Path | None = None) -> int:
        """Runs ``-u`` in a process group of its own; its exit code."""
        installer = str(release or self.releases.new)
        command = [*shell.split(), installer, "-bus", "-p", str(self.prefix), "--log", "/dev/null"]
        with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
            return process.wait()

    def kill_after(self, part: float, shell: str) -> bool:
        """Kills an upgrade when this part of its linking is over; False when it was through before that."""
        run(self.releases.old, "-bs", "-p", self.prefix)
        self.delay.write_text(str(self.seconds * part))
        code = self.upgrade(shell)
        self.delay.unlink(missing_ok=True)
        return code == -signal.SIGKILL


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    return Disturbed(tmp_path_factory.mktemp("disturbed"))


@pytest.fixture
def killed(disturbed: Disturbed) -> Iterator[Disturbed]:
    yield disturbed
    shutil.rmtree(disturbed.prefix, ignore_errors=True)


@pytest.mark.parametrize("point", range(KILL_POINTS))
def test_killed_while_linking_the_same_command_finishes(killed: Disturbed, point: int) -> None:
    shell = SHELLS[point % len(SHELLS)]
    if killed.kill_after(point / KILL_POINTS, shell) and (killed.prefix / ".hubforge/installed.json").exists():
        version = json.loads((killed.prefix / ".hubforge/installed.json").read_text())["version"]
        assert tree(killed.prefix) == (killed.before if version == "2026.11" else killed.expected), "no mixture"
    assert killed.upgrade(shell) == 0
    assert tree(killed.prefix) == killed.expected
    assert is_complete(killed.prefix, "2026.12")


@pytest.mark.parametrize("point", range(0, KILL_POINTS, 4))
def test_killed_while_linking_the_old_installer_goes_back(killed: Disturbed, point: int) -> None:
    killed.kill_after((point + 2) / KILL_POINTS, "sh")
    code = run(killed.releases.old, "-bus", "--allow-downgrade", "-p", killed.prefix).returncode
    assert code == 0
    found = {name: what for name, what in tree(killed.prefix).items() if ".condarc" not in name}
    assert found == {name: what for name, what in killed.before.items() if ".condarc" not in name}


def test_killed_after_a_rollback_the_older_release_is_finished_without_allowing_it(killed: Disturbed) -> None:
    run(killed.releases.new, "-bs", "-p", killed.prefix)
    back_through_conda(killed.prefix)
    (killed.prefix / HUB / "share/demo/1.0").write_text("a file where 2026.11 has a folder\n")
    killed.no_way_back.touch()
    assert killed.upgrade(release=killed.releases.old) == -signal.SIGKILL
    killed.no_way_back.unlink()
    (killed.prefix / HUB / "share/demo/1.0").unlink()
    assert not (killed.prefix / ".hubforge/installed.json").exists()
    assert killed.upgrade(release=killed.releases.old) == 0
    assert is_complete(killed.prefix, "2026.11")


@pytest.fixture
def mixture(killed: Disturbed) -> Disturbed:
    """Linking has failed, and the installer was killed before it could go back."""
    run(killed.releases.old, "-bs", "-p", killed.prefix)
    (killed.prefix / HUB / "share/demo/2.0").write_text("a file where 2026.12 has a folder\n")
    killed.no_way_back.touch()
    assert killed.upgrade() == -signal.SIGKILL
    killed.no_way_back.unlink()
    assert tree(killed.prefix) not in (killed.before, killed.expected)
    assert not (killed.prefix / ".hubforge/installed.json").exists()
    return killed


def test_a_mixture_is_finished_by_the_same_command(mixture: Disturbed) -> None:
    (mixture.prefix / HUB / "share/demo/2.0").unlink()
    assert mixture.upgrade() == 0
    assert tree(mixture.prefix) == mixture.expected
    assert is_complete(mixture.prefix, "2026.12")


def test_a_mixture_that_cannot_be_finished_goes_back(mixture: Disturbed) -> None:
    assert mixture.upgrade() == 4
    (mixture.prefix / HUB / "share/demo/2.0").unlink()
    assert tree(mixture.prefix) == mixture.before
    assert is_complete(mixture.prefix, "2026.11")


BACK_POINTS = 8


@pytest.mark.parametrize("point", range(BACK_POINTS))
@pytest.mark.parametrize("mended", [True, False])
def test_killed_while_going_back_the_same_command_goes_on(mixture: Disturbed, point: int, mended: bool) -> None:
    obstacle = mixture.prefix / HUB / "share/demo/2.0"
    mixture.delay_back.write_text(str(mixture.seconds * point / BACK_POINTS))
    shell = SHELLS[point % len(SHELLS)]
    assert mixture.upgrade(shell) in (-signal.SIGKILL, 4)  # 4 when it was back before the kill
    mixture.delay_back.unlink()
    if mended:
        obstacle.unlink(missing_ok=True)
        assert mixture.upgrade(shell) == 0
        assert tree(mixture.prefix) == mixture.expected
        assert is_complete(mixture.prefix, "2026.12")
    else:
        assert mixture.upgrade(shell) == 4
        obstacle.unlink()
        assert tree(mixture.prefix) == mixture.before
        assert is_complete(mixture.prefix, "2026.11")


# ---- a full disk ----


@pytest.fixture(scope="module")
def filling(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Releases whose Python, before a task, fills the disk of the prefix but for some KiB; two files name both."""
    folder = tmp_path_factory.mktemp("filling")
    fill = (
        f"free=$(df -Pk {folder}/disk | tail -n 1 | (read -r _ _ _ free _; echo $free))\n"
        f"head -c $(((free - $(cat {folder}/left)) * 1024)) /dev/zero >{folder}/disk/filler; rm {folder}/task"
    )
    task = f'[ ! -e {folder}/task ] || case "$*" in *"upgrade.py $(cat {folder}/task)"*) {fill} ;; esac'
    return build(folder, task)


@pytest.mark.parametrize("task", ["plan", "link"])
@pytest.mark.parametrize("left", [0, 64, 184, 208, 216, 224])
def test_a_full_disk_leaves_the_old_release_whole_or_the_same_command_resumes(
    filling: Releases, tmp_path: Path, task: str, left: int
) -> None:
    disk = filling.folder / "disk"
    disk.mkdir(exist_ok=True)
    prefix, copies = disk / "prefix", tmp_path / "copies"
    upgrade = f"sh {filling.new} -bus -p {prefix} --log /dev/null"
    done = mounted(
        f"mount -t tmpfs -o size=64m none {disk}; mkdir {copies}\n"
        f"sh {filling.old} -bs -p {prefix} --log /dev/null; cp -a {prefix} {copies}/old\n"
        f"echo {left} >{filling.folder}/left; echo {task} >{filling.folder}/task\n"
        f"code=0; {upgrade} || code=$?; echo first $code; rm -f {filling.folder}/task\n"
        f"cp -a {prefix} {copies}/full; rm {disk}/filler\n"
        f"{upgrade}; echo second $?; cp -a {prefix} {copies}/new; rm -rf {prefix}\n"
        f"sh {filling.new} -bs -p {prefix} --log /dev/null; cp -a {prefix} {copies}/expected\n"
    )
    assert done.returncode == 0, done.stderr
    assert "second 0" in done.stdout
    assert "Traceback" not in done.stderr
    assert tree(copies / "new") == tree(copies / "expected")
    if "first 0" in done.stdout:  # it was enough
        return
    assert "first 4" in done.stdout or ("first 1" in done.stdout and task == "plan")
    if "first 1" in done.stdout or (copies / "full/.hubforge/installed.json").exists():
        assert tree(copies / "full") == tree(copies / "old"), "no mixture calls itself complete"


def test_records_that_were_written_in_part_do_not_matter(mixture: Disturbed) -> None:
    (mixture.prefix / HUB / "share/demo/2.0").unlink()
    meta = mixture.prefix / HUB / "conda-meta"
    (meta / "speed-ups-2-py_0.json").write_text('{"name": "speed')
    (meta / "libz-1.3-h1_0.json").write_text("")
    (meta / "prefix_record_abc").write_text("{")  # rattler's, not renamed yet
    assert mixture.upgrade() == 0
    assert tree(mixture.prefix) == mixture.expected
