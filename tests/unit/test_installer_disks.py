"""Disks that are full, too small, read-only or noexec, and one that is mounted for the prefix."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from forge.condapkg import Index, Member
from forge.installer.carried import Environment
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_disk_that_is_full_on_the_way_ends_in_4_and_the_same_command_finishes(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    install = f"{shell} {installer} -bs -p {tmp_path}/disk/prefix --log /dev/null"
    done = mounted(
        f"mkdir {tmp_path}/disk\n"
        f"mount -t tmpfs -o nr_inodes=150 none {tmp_path}/disk\n"  # room for bytes, but not for so many files
        f"code=0; {install} || code=$?; echo first $code\n"
        f"test ! -e {tmp_path}/disk/prefix/.hubforge/installed.json\n"
        f"mount -o remount,nr_inodes=10000 {tmp_path}/disk\n"
        f"{install}; echo second $?\n"
        f"cat {tmp_path}/disk/prefix/.hubforge/installed.json\n"
    )
    assert done.returncode == 0, done.stderr
    assert "first 4" in done.stdout
    assert "second 0" in done.stdout
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_too_small_is_refused(installer: Path, tmp_path: Path) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size=500k none {tmp_path}/disk\n"
        f"code=0; sh {installer} -bs -p {tmp_path}/disk/prefix --log /dev/null || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout.endswith("code 1\n")
    assert "MiB" in done.stderr


def test_what_it_says_is_needed_is_enough_with_folders_and_records_too(tmp_path: Path) -> None:
    plan = stub.plan(tmp_path / "packages")
    deep = [Member(f"share/deep/{number}/file", b"x") for number in range(1500)]
    folders = stub.package(tmp_path / "packages", Index("folders", "1.0", "0", subdir="linux-64"), deep)
    base, hub = plan.environments
    plan = replace(plan, environments=(base, Environment(hub.name, hub.specs, (*hub.packages, folders))))
    done = run(stub.build(tmp_path, plan), "-bs", "-p", tmp_path / "prefix")
    needed = int(re.findall(r"space +(\d+) MiB", done.stdout)[0])
    assert needed - 3 < stub.taken(tmp_path / "prefix") / 2**20 <= needed


@pytest.mark.parametrize("task", ["-bs", "--uninstall -b"])
@pytest.mark.parametrize("shell", SHELLS)
def test_on_a_disk_without_any_room_that_is_said_and_not_that_rights_are_missing(
    installer: Path, tmp_path: Path, shell: str, task: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size=50m none {tmp_path}/disk\n"
        f"{shell} {installer} -bs -p {tmp_path}/disk/prefix --log /dev/null >/dev/null\n"
        f"echo 2026.11 new unknown >{tmp_path}/disk/prefix/.hubforge/installing\n"
        f"head -c 50m /dev/zero >{tmp_path}/disk/filler 2>/dev/null || true\n"
        f"{shell} {installer} {task} -p {tmp_path}/disk/prefix --log /dev/null >/dev/null"
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f'"{tmp_path}/disk/prefix/.hubforge" has 0 MiB free; 1 MiB are needed.\n')


@pytest.mark.parametrize("option", ["ro", "noexec"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_read_only_and_a_noexec_file_system_are_refused_and_nothing_stays(
    installer: Path, tmp_path: Path, option: str, shell: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o {option} none {tmp_path}/disk\n"
        f"for what in --check -bs; do\n"
        f"code=0; {shell} {installer} $what -p {tmp_path}/disk/prefix --log /dev/null || code=$?; echo code $code\n"
        f"done; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout.count("code 1\n") == 2
    assert done.stdout.endswith("code 1\n")
    assert "stop" in done.stdout
    assert str(tmp_path / "disk") in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_system_is_known_through_a_link_to_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o noexec none {tmp_path}/disk; ln -s disk {tmp_path}/link\n"
        f"{shell} {installer} --check -p {tmp_path}/link/prefix"
    )
    assert done.returncode == 1
    assert f'stop     Programs cannot be run from "{tmp_path}/link"' in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_new_volume_at_the_prefix_is_installed_to_and_left_with_what_it_brought(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    command = f"{shell} {installer}"
    done = mounted(
        f"mkdir {tmp_path}/volume; mount -t tmpfs none {tmp_path}/volume; mkdir {tmp_path}/volume/lost+found\n"
        f"mkdir -p {tmp_path}/volume/.hubforge; echo 2026.11 new >{tmp_path}/volume/.hubforge/installing\n"
        f"{command} -bs -p {tmp_path}/volume --log /dev/null >/dev/null  # goes on with one that was interrupted\n"
        f"{command} --uninstall -b -p {tmp_path}/volume >/dev/null; ls -A {tmp_path}/volume\n"
        f"{command} -bs -p {tmp_path}/volume --log /dev/null >/dev/null\n"
        f"ls -d {tmp_path}/volume/lost+found {tmp_path}/volume/bin"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["lost+found", f"{tmp_path}/volume/bin", f"{tmp_path}/volume/lost+found"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("brought", ["", "lost+found"])
def test_of_a_volume_that_is_empty_again_an_uninstallation_says_so(
    installer: Path, tmp_path: Path, brought: str, shell: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/volume; mount -t tmpfs none {tmp_path}/volume; mkdir -p {tmp_path}/volume/{brought}\n"
        f"{shell} {installer} -bs -p {tmp_path}/volume --log /dev/null >/dev/null\n"
        f"{shell} {installer} --uninstall -b -p {tmp_path}/volume"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The folder {tmp_path}/volume stays, and is empty.\n" in done.stdout
    assert "still holds" not in done.stdout


def test_a_noexec_tmp_does_not_matter(installer: Path, tmp_path: Path) -> None:
    done = mounted(
        f"mkdir {tmp_path}/tmp; mount -t tmpfs -o noexec none {tmp_path}/tmp\n"
        f"TMPDIR={tmp_path}/tmp sh {installer} -bs -p {tmp_path}/prefix --log /dev/null; ls -A {tmp_path}/tmp\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(" "), "nothing was left in TMPDIR"


def test_a_read_only_home_does_not_matter(installer: Path, tmp_path: Path) -> None:
    done = mounted(
        f"mkdir {tmp_path}/home; mount -t tmpfs -o ro none {tmp_path}/home\n"
        f"HOME={tmp_path}/home sh {installer} -bs -p {tmp_path}/prefix --log /dev/null\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
