"""The installer file as an administrator meets it: what it takes, what it refuses, what it leaves behind."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from forge.errors import ForgeError
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


# ---- a plain installation ----


@pytest.mark.parametrize("shell", SHELLS)
def test_installs_both_environments_and_says_what_is_next(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    done = run(installer, "-b", "-p", prefix, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{prefix}/envs/jupyterhubenv/bin/hubctl start" in done.stdout
    assert f"https://{os.uname().nodename}:8000" in done.stdout
    assert ("usermod -aG jupyterhub NAME" in done.stdout) is (os.geteuid() == 0), "said where the host was prepared"
    script = (prefix / "envs/jupyterhubenv/bin/demo").read_text()
    assert script.startswith(f"#!{prefix}/envs/jupyterhubenv/bin/python")
    assert (prefix / "lib/python3.13/site-packages/stub_of_rattler/__init__.py").exists()
    assert (prefix / "host-step").read_text() == f"{prefix}\n1 Hubforge 2026.11\n"
    assert {path.name for path in (prefix / ".hubforge").iterdir()} == {"installed.json"}
    assert json.loads((prefix / ".hubforge/installed.json").read_text())["version"] == "2026.11"


def test_environments_are_hard_links_of_the_package_cache(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run(installer, "-b", "-p", prefix)
    cached = prefix / "pkgs/libz-1.3-h1_0/lib/libz.so.1"
    assert cached.samefile(prefix / "lib/libz.so.1")
    assert cached.samefile(prefix / "envs/jupyterhubenv/lib/libz.so.1")


def test_the_cache_carries_what_conda_wants_for_offline_use(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run(installer, "-b", "-p", prefix)
    record = json.loads((prefix / "pkgs/demo-1.0-h0_0/info/repodata_record.json").read_text())
    assert record["url"] == f"{stub.CHANNEL}/linux-64/demo-1.0-h0_0.conda"
    assert record["url"] in (prefix / "pkgs/urls.txt").read_text().splitlines()
    assert sorted(path.name for path in (prefix / "pkgs").iterdir() if path.is_file()) == ["urls.txt"]


def test_history_begins_with_the_installed_packages_and_specs(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run(installer, "-b", "-p", prefix)
    lines = (prefix / "envs/jupyterhubenv/conda-meta/history").read_text().splitlines()
    assert "+hubforge/linux-64::demo-1.0-h0_0" in lines
    assert "# update specs: ['demo']" in lines
    assert sum(line.startswith("==>") for line in lines) == 1


def test_a_tight_umask_locks_nobody_out(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    command = f"umask 077; exec sh {installer} -b -p {prefix} --log /dev/null"
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    paths = [path for path in (prefix, *prefix.rglob("*")) if not path.is_symlink()]
    assert [path for path in paths if not path.stat().st_mode & 0o004] == []


def test_runs_without_home_tmpdir_and_standard_input(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    script = f"unset HOME; TMPDIR=/nonexistent exec sh {installer} -b -s -p {prefix} --log /dev/null <&-"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_runs_where_the_signal_of_a_broken_pipe_is_ignored(installer: Path, tmp_path: Path, shell: str) -> None:
    script = f"trap '' PIPE; exec {shell} {installer} -b -s -p {tmp_path}/prefix --log /dev/null"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_busyboxs_own_commands_are_enough(installer: Path, tmp_path: Path) -> None:
    commands = tmp_path / "busybox"
    commands.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(commands)], check=True)
    for task in (["-b", "-s"], ["-b", "-u", "-s"], ["--check", "-u"], ["--list"], ["--uninstall", "-b"]):
        done = run(installer, *task, "-p", tmp_path / "prefix", shell=f"{commands}/sh", PATH=str(commands))
        assert (done.returncode, done.stderr) == (0, ""), task


def test_a_relative_prefix_is_made_absolute(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    command = ["sh", str(installer), "-bsp", "../there/./prefix/", "--log", "/dev/null"]
    subprocess.run(command, cwd=tmp_path / "here", check=True, capture_output=True)
    assert f"#!{tmp_path}/there/prefix/" in (tmp_path / "there/prefix/envs/jupyterhubenv/bin/demo").read_text()


def test_s_leaves_the_host_alone(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-b", "-s", "-p", tmp_path / "prefix")
    assert done.returncode == 0
    assert "usermod" not in done.stdout, "there is no group yet"
    assert not (tmp_path / "prefix/host-step").exists()


def test_a_failed_host_step_ends_in_5_and_keeps_the_installation(tmp_path: Path) -> None:
    plan = replace(stub.plan(tmp_path / "packages"), post_install="exit 7\n")
    installer = stub.build(tmp_path, plan)
    assert run(installer, "-b", "-p", tmp_path / "prefix").returncode == 5
    assert (tmp_path / "prefix/.hubforge/installed.json").exists()
    assert not (tmp_path / "prefix/.hubforge/installing").exists()
    assert run(installer, "-b", "-u", "-s", "-p", tmp_path / "prefix").returncode == 0


# ---- refused before anything is written ----


@pytest.mark.parametrize("name", ["with space", "naïve", "semi;colon", "quo'te", "dollar$"])
def test_a_prefix_that_would_break_scripts_is_refused(installer: Path, tmp_path: Path, name: str) -> None:
    done = run(installer, "-b", "-p", tmp_path / name)
    assert done.returncode == 1
    assert name in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_longer_than_the_placeholder_is_refused(installer: Path, tmp_path: Path) -> None:
    room = 255 - len("/envs/jupyterhubenv")
    longest = tmp_path / ("p" * (room - len(str(tmp_path)) - 1))
    done = run(installer, "-b", "-p", f"{longest}p")
    assert done.returncode == 1
    assert str(room) in done.stderr
    assert run(installer, "-b", "-p", longest).returncode == 0


def test_an_existing_prefix_is_refused(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    before = stub.tree(tmp_path)
    done = run(installer, "-b", "-p", tmp_path)
    assert done.returncode == 1
    assert "-u" in done.stderr
    assert stub.tree(tmp_path) == before


def test_a_finished_installation_is_not_installed_over(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run(installer, "-b", "-p", prefix)
    before = stub.tree(prefix)
    assert run(installer, "-b", "-p", prefix).returncode == 1
    assert stub.tree(prefix) == before


def test_a_file_in_the_way_is_refused(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    assert run(installer, "-b", "-p", tmp_path / "file").returncode == 1
    assert run(installer, "-b", "-p", tmp_path / "file/below").returncode == 1


def fake_command(folder: Path, name: str, output: str) -> str:
    """A PATH on which the command ``name`` prints ``output``."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\necho '{output}'\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("command", "output", "expected"),
    [("uname", "aarch64", "aarch64"), ("df", "/dev/x 1000000 999000 1000 99% /", "MiB")],
)
def test_another_architecture_and_a_full_disk_are_refused(
    installer: Path, tmp_path: Path, command: str, output: str, expected: str
) -> None:
    path = fake_command(tmp_path / "fake", command, output)
    done = run(installer, "-b", "-p", tmp_path / "prefix", PATH=path)
    assert done.returncode == 1
    assert expected in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_the_lock_of_an_installer_that_is_gone_does_not_matter(installer: Path, tmp_path: Path) -> None:
    state = tmp_path / "prefix/.hubforge"
    state.mkdir(parents=True)
    (state / "lock").write_text(f"{os.getpid()} another-boot\n")
    assert run(installer, "-b", "-p", tmp_path / "prefix").returncode == 0


# ---- over an existing installation ----


@pytest.fixture
def upgraded(tmp_path: Path) -> Path:
    """A prefix with 2026.11, edited by an administrator, brought to 2026.12."""
    old = stub.plan(tmp_path / "packages")
    prefix = tmp_path / "prefix"
    run(stub.build(tmp_path, old, "old.sh"), "-b", "-s", "-p", prefix)
    (prefix / "mine").write_text("kept\n")
    added = prefix / "envs/jupyterhubenv/conda-meta/added-24.7.1-py_0.json"
    added.write_text((prefix / "conda-meta/conda-24.7.1-py_0.json").read_text().replace('"conda"', '"added"'))
    (prefix / ".condarc").write_text("# edited\n")
    done = run(stub.build(tmp_path, stub.newer(tmp_path / "packages", old), "new.sh"), "-b", "-u", "-s", "-p", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    return prefix


def test_u_replaces_and_removes_packages(upgraded: Path) -> None:
    environment = upgraded / "envs/jupyterhubenv"
    assert (environment / "share/demo/2.0").exists()
    assert not (environment / "share/demo/1.0").exists()
    assert not (environment / "share/old").exists()
    records = {path.name for path in (environment / "conda-meta").glob("*.json")}
    assert "demo-2.0-h0_0.json" in records
    assert not records & {"demo-1.0-h0_0.json", "only-in-1.0-1.0-0.json"}
    assert json.loads((upgraded / ".hubforge/installed.json").read_text())["version"] == "2026.12"


def test_u_keeps_what_the_administrator_added_and_edited(upgraded: Path) -> None:
    assert (upgraded / "mine").read_text() == "kept\n"
    assert (upgraded / "envs/jupyterhubenv/conda-meta/added-24.7.1-py_0.json").exists()
    assert (upgraded / ".condarc").read_text() == "# edited\n"
    assert "solver: classic" in (upgraded / ".condarc.new").read_text()


def test_u_adds_a_revision_only_where_packages_changed(upgraded: Path) -> None:
    history = (upgraded / "envs/jupyterhubenv/conda-meta/history").read_text()
    assert history.count("==>") == 2
    assert "-hubforge/linux-64::demo-1.0-h0_0" in history
    assert "+hubforge/linux-64::demo-2.0-h0_0" in history
    assert (upgraded / "conda-meta/history").read_text().count("==>") == 1


def test_u_takes_a_new_condarc_where_the_old_one_was_not_edited(tmp_path: Path) -> None:
    old = stub.plan(tmp_path / "packages")
    prefix = tmp_path / "prefix"
    run(stub.build(tmp_path, old, "old.sh"), "-b", "-s", "-p", prefix)
    run(stub.build(tmp_path, stub.newer(tmp_path / "packages", old), "new.sh"), "-b", "-u", "-s", "-p", prefix)
    assert "solver: classic" in (prefix / ".condarc").read_text()
    assert not (prefix / ".condarc.new").exists()


def test_f_links_anew_what_was_lost(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run(installer, "-b", "-p", prefix)
    (prefix / "share/conda").unlink()
    assert run(installer, "-b", "-f", "-p", prefix).returncode == 0
    assert (prefix / "share/conda").read_text() == "conda\n"


# ---- the file ----


def test_the_same_plan_gives_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    first, second = (stub.build(tmp_path / name, stub.plan(tmp_path / name / "packages")) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    subprocess.run(["sha256sum", "--check", "--quiet", f"{first.name}.sha256"], cwd=first.parent, check=True)


def test_a_base_without_rattler_is_refused_by_name(tmp_path: Path) -> None:
    plan = stub.plan(tmp_path / "packages")
    base = replace(plan.environments[0], packages=plan.environments[0].packages[:1])
    with pytest.raises(ForgeError, match="py-rattler"):
        stub.build(tmp_path, replace(plan, environments=(base,)))
    assert not (tmp_path / "hub-installer.sh").exists()


def test_shellcheck_has_nothing_to_say(installer: Path, tmp_path: Path) -> None:
    header = tmp_path / "header.sh"
    header.write_bytes(installer.read_bytes().split(b'\nmain "$@"\n')[0] + b'\nmain "$@"\n')
    done = subprocess.run(["shellcheck", "--shell=sh", str(header)], capture_output=True, text=True)
    assert done.stdout == ""
