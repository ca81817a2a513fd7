"""``-u``: one release replaces another as a whole, and what an administrator added is not lost."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, fakes, mounted, run
from tests.unit.upgrade_releases import (
    HUB,
    SITE_PACKAGES,
    Releases,
    add,
    add_by_pip,
    back_through_conda,
    installed,
    is_complete,
    new_tree,
    tree,
)

pytest_plugins = ["tests.unit.upgrade_releases"]

# ---- what changes, what stays ----


@pytest.mark.parametrize("shell", SHELLS)
def test_an_upgraded_prefix_is_that_of_a_new_installation(releases: Releases, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    expected = new_tree(releases, prefix)
    run(releases.old, "-bs", "-p", prefix)
    done = run(releases.new, "-bus", "-p", prefix, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  jupyterhubenv: 3 packages change, 0 come, 1 go" in done.stdout
    assert "  base: 0 packages change, 0 come, 0 go" in done.stdout
    assert tree(prefix) == expected
    assert is_complete(prefix, "2026.12")


def test_the_packages_before_stay_in_the_cache_to_go_back_to(releases: Releases, prefix: Path) -> None:
    run(releases.new, "-bus", "-p", prefix)
    assert (prefix / "pkgs/demo-1.0-h0_0/info/repodata_record.json").exists()
    urls = (prefix / "pkgs/urls.txt").read_text()
    assert "demo-1.0-h0_0.conda" in urls
    assert "demo-2.0-h0_0.conda" in urls


def test_added_packages_stay_with_what_they_need_and_are_named(releases: Releases, prefix: Path) -> None:
    add(prefix, releases.added("mine", "only-in-1.0", "libz"))
    record = prefix / HUB / "conda-meta/mine-5.0-site_0.json"
    before = record.read_bytes()
    done = run(releases.new, "-bus", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert "jupyterhubenv: these stay, which somebody added: mine\n" in done.stdout
    assert installed(prefix) == {
        "python": "3.13.5", "libz": "1.3", "hubforge": "2026.12", "demo": "2.0", "speed-ups": "2",
        "mine": "5.0", "only-in-1.0": "1.0",
    }  # fmt: skip
    assert (prefix / HUB / "share/mine").exists()
    assert record.read_bytes() == before


def test_once_nothing_needs_it_any_more_what_a_release_dropped_goes(releases: Releases, prefix: Path) -> None:
    add(prefix, releases.added("mine", "only-in-1.0"))
    run(releases.new, "-bus", "-p", prefix)
    (prefix / HUB / "conda-meta/mine-5.0-site_0.json").unlink()  # as `conda remove` does, after the files
    run(releases.new, "-bus", "-p", prefix)
    assert "only-in-1.0" not in installed(prefix)


def test_what_a_release_brought_through_conda_is_not_the_administrators(releases: Releases, prefix: Path) -> None:
    add(prefix, releases.added("brought"))
    record = prefix / HUB / "conda-meta/demo-1.0-h0_0.json"
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "depends": [*document["depends"], "brought ==5.0 site_0"]}))
    done = run(releases.new, "-bus", "-p", prefix)
    assert "somebody added" not in done.stdout
    assert "brought" not in installed(prefix)


@pytest.mark.parametrize("shell", SHELLS)
def test_an_added_package_that_does_not_go_with_the_release_is_named(
    releases: Releases, prefix: Path, shell: str
) -> None:
    add(prefix, releases.added("fine", "demo"), releases.added("stubborn", "demo <2"))
    before = stub.tree(prefix)
    done = run(releases.new, "-bus", "-p", prefix, shell=shell)
    assert done.returncode == 1
    assert f"{prefix}/bin/conda remove -p {prefix}/{HUB} stubborn" in done.stderr
    assert "demo <2" in done.stderr, "the solver's reason"
    assert "package fine" not in done.stderr
    assert stub.tree(prefix) == before, "nothing was written"


def test_an_added_package_of_another_python_is_named(releases: Releases, prefix: Path, tmp_path: Path) -> None:
    record = prefix / HUB / "conda-meta/python-3.13.5-0_cp313.json"
    record.write_text(record.read_text().replace('"3.13.5"', '"3.12.9"'))
    record.rename(record.with_name("python-3.12.9-0_cp313.json"))
    add(prefix, releases.added("mine", noarch=True))
    add_by_pip(prefix, "theirs", "1.0")
    done = run(releases.new, "-bus", "-p", prefix)
    assert done.returncode == 1
    assert "mine 5.0, which somebody added, is there for Python 3.12" in done.stderr
    assert "theirs 1.0, which somebody added, is there for Python 3.12" in done.stderr


def test_what_pip_added_stays_and_is_named(releases: Releases, prefix: Path) -> None:
    add_by_pip(prefix, "Theirs.More", "1.0")
    done = run(releases.new, "-bus", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert "theirs-more\n" in done.stdout
    assert (prefix / HUB / SITE_PACKAGES / "Theirs.More.py").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_pip_put_over_a_package_of_the_release_is_in_the_way(releases: Releases, prefix: Path, shell: str) -> None:
    add_by_pip(prefix, "speed.Ups", "9.9")
    before = stub.tree(prefix)
    done = run(releases.new, "-bus", "-p", prefix, shell=shell)
    assert done.returncode == 1
    assert f"{prefix}/{HUB}/bin/python -m pip uninstall speed-ups" in done.stderr
    assert stub.tree(prefix) == before, "nothing was written"


def test_conda_forgets_what_a_release_no_longer_asks_for(releases: Releases, tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    old = stub.plan(folder)
    base, hub = old.environments
    asking = replace(old, environments=(base, replace(hub, specs=("demo", "only-in-1.0"))))
    prefix = tmp_path / "prefix"
    run(stub.build(tmp_path, asking, "old.sh"), "-bs", "-p", prefix)
    run(stub.build(tmp_path, stub.newer(folder, old), "new.sh"), "-bus", "-p", prefix)
    history = (prefix / HUB / "conda-meta/history").read_text()
    assert "# remove specs: ['only-in-1.0']\n# update specs: ['demo']" in history


def test_what_a_killed_conda_has_left_is_mended(releases: Releases, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    expected = new_tree(releases, prefix)
    run(releases.old, "-bs", "-p", prefix)
    run(releases.new, "-bus", "-p", prefix)
    hub, cache = prefix / HUB, prefix / "pkgs/demo-1.0-h0_0"
    (hub / ".condatmp/a").mkdir(parents=True)
    (hub / "lib/libdemo.so.1").rename(hub / "lib/libdemo.so.1.c~")
    (hub / "share/demo/1.0").mkdir()
    (hub / "share/demo/1.0/a file with spaces").hardlink_to(cache / "share/demo/1.0/a file with spaces")
    (hub / "conda-meta/demo-1.0-h0_0.json").write_text('{"name": "demo')
    (hub / "share/old").write_text("the administrator's, where a release before had a file\n")
    assert run(releases.new, "-bus", "-p", prefix).returncode == 0
    assert (hub / "share/old").exists()
    (hub / "share/old").unlink()
    assert tree(prefix) == expected


# ---- the hub that runs ----


def with_a_hub(prefix: Path, command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs ``command`` where a hub of this prefix seems to run, and ``hubctl`` notes what it is told; how it ends."""
    programs = prefix / HUB / "bin"
    (programs / "hubctl").write_text(f'#!/bin/sh\necho "$*" >>{prefix}/told\nexit {code}\n')
    (programs / "hubctl").chmod(0o755)
    shutil.copy("/bin/sleep", programs / "hub")
    hub = f"mount -t tmpfs none /run; mkdir /run/jupyterhub; {programs}/hub 600 & echo $! >/run/jupyterhub/hub.pid"
    return mounted(f"{hub}\ncode=0; {command} || code=$?; kill $(cat /run/jupyterhub/hub.pid); exit $code")


def told(prefix: Path) -> str:
    """What ``hubctl`` was told."""
    return (prefix / "told").read_text() if (prefix / "told").exists() else ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hub_that_runs_is_left_alone_and_that_is_said(releases: Releases, prefix: Path, shell: str) -> None:
    done = with_a_hub(prefix, f"{shell} {releases.new} -bus -p {prefix} --log /dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    restart = f'"{prefix}/{HUB}/bin/hubctl restart" takes the new one.'
    assert done.stdout.endswith(f"The hub that runs is still the one before: {restart}\n"), "no first steps"
    assert told(prefix) == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_restart_starts_it_again_at_the_end(releases: Releases, prefix: Path, shell: str) -> None:
    done = with_a_hub(prefix, f"{shell} {releases.new} -bus --restart -p {prefix} --log /dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert told(prefix) == "stop\nstart\n"
    assert "still the one before" not in done.stdout
    assert "What to do next" not in done.stdout


@pytest.mark.parametrize(("answer", "expected"), [("", ""), ("no", ""), ("yes", "stop\nstart\n")])
def test_without_b_it_is_asked_and_the_default_is_no(
    releases: Releases, prefix: Path, answer: str, expected: str
) -> None:
    answers = f"printf 'yes\\nno\\n{answer}\\n'"
    done = with_a_hub(prefix, f"{answers} | sh {releases.new} -us -p {prefix} --log /dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The hub runs. Start it again at the end" in done.stdout
    assert told(prefix) == expected


def test_without_a_hub_nothing_is_asked_and_nothing_started(releases: Releases, prefix: Path) -> None:
    done = run(releases.new, "-us", "--restart", "-p", prefix, answers="yes\nno\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "again at the end" not in done.stdout
    assert "Starting the hub again" not in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_where_a_hub_has_run_its_start_is_next_and_nothing_of_a_first_installation(
    releases: Releases, prefix: Path, shell: str
) -> None:
    command = f"{shell} {releases.new} -bu -p {prefix} --log /dev/null"
    database = "mount -t tmpfs none /var/lib; mkdir /var/lib/jupyterhub; : >/var/lib/jupyterhub/jupyterhub.sqlite"
    done = mounted(f"{database}; {command}")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"What to do next:\n  {prefix}/{HUB}/bin/hubctl start\n" in done.stdout
    assert "usermod" not in done.stdout


# ---- room on the disk ----


@pytest.mark.parametrize("shell", SHELLS)
def test_it_needs_room_only_for_what_the_cache_has_not(releases: Releases, prefix: Path, shell: str) -> None:
    path = fakes(prefix.parent / "fake", df="echo; echo disk 9999999 0 1024 0% /")  # one MiB is free
    for flags in ("-bus", "-busf"):
        done = run(releases.old, flags, "-p", prefix, shell=shell, PATH=path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 MiB of the 1 MiB" in done.stdout
    done = run(releases.new, "-bus", "-p", prefix, shell=shell, PATH=path)
    assert done.returncode == 1
    assert "1 MiB free; 3 MiB are needed" in done.stderr


# ---- back to an older release ----


@pytest.mark.parametrize("shell", SHELLS)
def test_an_older_release_is_refused_unless_it_is_allowed(releases: Releases, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    run(releases.old, "-bs", "-p", prefix)
    expected = tree(prefix)
    run(releases.new, "-bus", "-p", prefix)
    before = stub.tree(prefix)
    for task in (["-bus"], ["-bfs"], ["--check", "-u"]):
        refused = run(releases.old, *task, "-p", prefix, shell=shell)
        assert refused.returncode == 1
        assert "2026.12" in refused.stderr + refused.stdout
        assert "--allow-downgrade" in refused.stderr + refused.stdout
    assert stub.tree(prefix) == before, "nothing was written"
    assert run(releases.old, "-bus", "--allow-downgrade", "-p", prefix, shell=shell).returncode == 0
    assert {name: what for name, what in tree(prefix).items() if name != ".condarc"} == {
        name: what for name, what in expected.items() if name != ".condarc"
    }
    assert is_complete(prefix, "2026.11")


@pytest.mark.parametrize("shell", SHELLS)
def test_while_hubctls_upgrade_has_the_database_on_its_way_it_is_refused(
    releases: Releases, prefix: Path, shell: str
) -> None:
    """The journal is one as hubctl writes it; tests/integration has one that hubctl has written."""
    upgrade = prefix / ".hubforge/upgrade"
    upgrade.mkdir()
    journal = {"release": "2026.12", "is_stopped": True, "is_migrated": True, "is_back": False}
    (upgrade / "journal.json").write_text(json.dumps(journal, indent=1))
    before = stub.tree(prefix)
    for task in (["-bus"], ["-bfs"], ["--check", "-u"]):
        refused = run(releases.new, *task, "-p", prefix, shell=shell)
        assert refused.returncode == 1
        assert f'"{upgrade}/finish" goes on' in refused.stderr + refused.stdout
        assert f'"{upgrade}/finish --back" goes back' in refused.stderr + refused.stdout
    assert stub.tree(prefix) == before, "nothing was written"
    (upgrade / "journal.json").write_text(json.dumps(journal | {"is_migrated": False}, indent=1))
    assert run(releases.new, "-bus", "-p", prefix, shell=shell).returncode == 0
    assert is_complete(prefix, "2026.12")


@pytest.mark.parametrize("shell", SHELLS)
def test_after_a_rollback_the_older_release_counts_as_the_one_that_is_there(
    releases: Releases, prefix: Path, shell: str
) -> None:
    run(releases.new, "-bus", "-p", prefix)
    back_through_conda(prefix)
    assert run(releases.old, "--check", "-u", "-p", prefix, shell=shell).returncode == 0
    done = run(releases.old, "-bus", "-p", prefix, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert is_complete(prefix, "2026.11")


@pytest.mark.parametrize(
    ("this", "that", "older"),
    [
        ("2026.11", "2026.12", True),
        ("2026.12", "2026.11", False),
        ("2026.12", "2026.12", False),
        ("2026.09", "2026.10", True),
        ("2026.12", "2026.12.1", True),
        ("2026.12.10", "2026.12.9", False),
        ("2026.12", "2027.01", True),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_releases_are_compared_number_by_number(this: str, that: str, older: bool, shell: str) -> None:
    header = Path(stub.__file__).parents[2] / "forge/installer/header/upgrade.sh"
    script = f". {header}; is_older {this} {that}"
    assert (subprocess.run([*shell.split(), "-euc", script]).returncode == 0) == older


@pytest.mark.parametrize("shell", SHELLS)
def test_without_the_metapackage_the_marker_says_which_release_it_was(
    releases: Releases, prefix: Path, shell: str
) -> None:
    run(releases.new, "-bus", "-p", prefix)
    (prefix / HUB / "conda-meta/hubforge-2026.12-0.json").unlink()
    refused = run(releases.old, "-bus", "-p", prefix, shell=shell)
    assert refused.returncode == 1
    assert "holds release 2026.12" in refused.stderr
