"""``--uninstall``: what it lists, asks, removes and leaves."""

import subprocess
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.fixture
def prefix(installer: Path, tmp_path: Path) -> Path:
    prefix = tmp_path / "prefix"
    assert run(installer, "-bs", "-p", prefix).returncode == 0
    return prefix


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_of_the_prefix_stays(installer: Path, prefix: Path, shell: str) -> None:
    (prefix / ".hidden").touch()
    (prefix / "with space").mkdir()
    done = run(installer, "--uninstall", "-b", "-p", prefix, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(prefix.parent.iterdir()) == []


def test_it_says_that_the_removal_has_begun_which_may_take_long(installer: Path, prefix: Path) -> None:
    done = run(installer, "--uninstall", "-b", "-p", prefix)
    before, after = done.stdout.split(f"Removing {prefix} ")
    assert "This will be removed" in before
    assert "was removed" in after


@pytest.mark.parametrize("shell", SHELLS)
def test_it_lists_and_asks_first(installer: Path, prefix: Path, shell: str) -> None:
    (prefix / "envs/mine").mkdir()
    before = stub.tree(prefix)
    done = run(installer, "--uninstall", "-p", prefix, answers="perhaps\nno\n", shell=shell)
    assert done.returncode == 1
    assert f"{prefix}/envs/mine" in done.stdout
    assert stub.tree(prefix) == before
    assert run(installer, "--uninstall", "-p", prefix, answers="", shell=shell).returncode == 1
    assert run(installer, "--uninstall", "-p", prefix, answers="yes\n", shell=shell).returncode == 0
    assert not prefix.exists()


def test_what_was_there_before_the_installation_stays(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "of mine/deep").mkdir(parents=True)
    (prefix / ".mine").write_text("kept\n")
    before = stub.tree(prefix)
    assert run(installer, "-bsf", "-p", prefix).returncode == 0
    assert run(installer, "-bsu", "-p", prefix).returncode == 0
    done = run(installer, "--uninstall", "-b", "-p", prefix)
    assert done.returncode == 0
    assert "of mine" in done.stdout
    assert stub.tree(prefix) == before


@pytest.mark.parametrize("shell", SHELLS)
def test_in_folders_that_both_used_only_what_was_installed_goes(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    for name in ("lib/mine.txt", "lib/deep/er/mine", "share/a name with spaces"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("mine\n")
    before = stub.tree(prefix)
    assert run(installer, "-bsf", "-p", prefix, shell=shell).returncode == 0
    assert (prefix / "lib/libz.so.1").exists()
    done = run(installer, "--uninstall", "-b", "-p", prefix, shell=shell)
    assert done.returncode == 0
    assert f"(in {prefix} stays what was there before: lib share)" in done.stdout
    assert stub.tree(prefix) == before


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_that_was_in_the_way_is_set_aside_and_comes_back(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/conda").write_text("mine\n")
    before = stub.tree(prefix)
    done = run(installer, "-bsf", "-p", prefix, shell=shell)
    assert done.returncode == 0
    assert f"{prefix}/bin/conda was here before; it is conda.before-hubforge now" in done.stdout
    assert (prefix / "bin/conda").read_text() != "mine\n"
    assert (prefix / "bin/conda.before-hubforge").read_text() == "mine\n"
    assert run(installer, "-bsf", "-p", prefix, shell=shell).returncode == 0
    assert (prefix / "bin/conda.before-hubforge").read_text() == "mine\n", "our own file is not set aside"
    assert run(installer, "--uninstall", "-b", "-p", prefix).returncode == 0
    assert stub.tree(prefix) == before


def test_the_log_that_was_asked_for_says_what_went(installer: Path, prefix: Path, tmp_path: Path) -> None:
    done = run(installer, "--uninstall", "-b", "-p", prefix, "--log", tmp_path / "log")
    assert done.returncode == 0
    assert f"{prefix} and all that is in it" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_log_says_what_went_of_the_host_too(installer: Path, prefix: Path, tmp_path: Path, shell: str) -> None:
    lay_down_steps(prefix, 0)
    done = run(installer, "--uninstall", "-b", "-p", prefix, "--log", tmp_path / "log", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  the service\n" in done.stdout
    heading, _, said = (tmp_path / "log").read_text().partition("\n")
    assert heading.startswith("==== ")
    assert said == done.stdout


def test_why_the_host_could_not_be_left_as_it_was_is_in_the_log(installer: Path, prefix: Path, tmp_path: Path) -> None:
    lay_down_steps(prefix, "'out of luck'")
    done = run(installer, "--uninstall", "-b", "-p", prefix, "--log", tmp_path / "log")
    assert done.returncode == 4
    assert "out of luck\n" in done.stderr
    assert "out of luck\n" in (tmp_path / "log").read_text()


def test_what_an_uninstallation_has_left_is_named_to_who_wants_it_gone_later(installer: Path, prefix: Path) -> None:
    assert run(installer, "--uninstall", "-b", "-p", prefix).returncode == 0
    done = run(installer, "--uninstall", "--purge", "-b", "-p", prefix)
    assert done.returncode == 1
    assert "rm -r /etc/jupyterhub" in done.stderr


def test_an_interrupted_installation_can_be_removed(installer: Path, prefix: Path) -> None:
    (prefix / ".hubforge/installed.json").unlink()
    (prefix / ".hubforge/installing").write_text("2026.11 new unknown\n")
    assert run(installer, "--uninstall", "-b", "-p", prefix).returncode == 0
    assert not prefix.exists()


def test_without_an_installation_it_is_refused(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    assert run(installer, "--uninstall", "-b", "-p", tmp_path).returncode == 1
    assert run(installer, "--uninstall", "-b", "-p", tmp_path / "nowhere").returncode == 1
    assert (tmp_path / "precious").exists()


def test_purge_alone_is_wrong_usage(installer: Path) -> None:
    assert run(installer, "-b", "--purge").returncode == 2


STEPS = """\
import sys
print("  the service" if "--list-removals" in sys.argv else "  removed")
open(sys.argv[sys.argv.index("--prefix") + 1] + "-steps", "a").write(" ".join(sys.argv[3:]) + chr(10))
sys.exit(EXIT if "--remove" in sys.argv else 0)
"""


def lay_down_steps(prefix: Path, code: int | str) -> None:
    """Steps of the host that only write down how they were called; ``code`` is what they give to ``sys.exit``."""
    python, steps = prefix / "envs/jupyterhubenv/bin/python", prefix / "envs/jupyterhubenv/share/hubforge/post_install"
    steps.mkdir(parents=True)
    (steps / "__main__.py").write_text(STEPS.replace("EXIT", str(code)))
    python.unlink()
    python.symlink_to("/usr/bin/python3")


def test_the_hosts_steps_are_undone_before_the_prefix_goes(installer: Path, prefix: Path) -> None:
    lay_down_steps(prefix, 0)
    done = run(installer, "--uninstall", "--purge", "-b", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the service" in done.stdout
    calls = Path(f"{prefix}-steps").read_text().splitlines()
    assert calls == ["--purge --list-removals", "--purge --remove"]


def test_when_the_hosts_steps_cannot_be_undone_the_prefix_stays(installer: Path, prefix: Path) -> None:
    lay_down_steps(prefix, 5)
    done = run(installer, "--uninstall", "-b", "-p", prefix)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].endswith("When the cause is removed, repeat the same command.")
    assert (prefix / "envs/jupyterhubenv/bin/demo").exists()


def test_the_help_says_what_a_failed_uninstallation_ends_with(installer: Path) -> None:
    assert "  4  failed while installing or removing; the same command goes on\n" in run(installer, "-h").stdout


def test_killed_on_the_way_the_same_command_finishes(installer: Path, prefix: Path) -> None:
    lay_down_steps(prefix, 0)
    (prefix / ".hubforge/uninstalling").touch()
    subprocess.run(["rm", "-rf", prefix / "envs"], check=True)
    done = run(installer, "--uninstall", "-b", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert not prefix.exists()
    assert not Path(f"{prefix}-steps").exists(), "the host's part was done before"
