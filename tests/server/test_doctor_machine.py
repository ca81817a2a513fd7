"""`hubctl doctor`: permissions, disks, SELinux's labels, packages that are too new, interrupted changes."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import ServerRoot
from hub_support import status, told_about
from hubctl import rollback, upgrade
from hubctl.doctor import installation, machine
from hubctl.doctor.finding import Finding
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.upgrading.journal import Before, Journal


def test_secret_that_others_can_read_is_a_fault_with_its_mend(server_root: ServerRoot) -> None:
    assert [state for state, _, _ in told_about(server_root, "permissions")] == ["ok"]
    secret = server_root.path / "var/lib/jupyterhub/cookie_secret"
    secret.write_text("x")
    os.chown(secret, server_root.user.uid, server_root.user.gid)
    secret.chmod(0o640)
    ((state, found, mend),) = told_about(server_root, "permissions")
    assert (state, found) == ("fault", f"{secret} can be read by others than its owner (mode 0640)")
    subprocess.run(mend, shell=True, check=True)
    assert [state for state, _, _ in told_about(server_root, "permissions")] == ["ok"]


def test_settings_that_others_can_change_are_a_fault(server_root: ServerRoot) -> None:
    server_root.settings.chmod(0o664)
    ((state, found, mend),) = told_about(server_root, "permissions")
    assert (state, mend) == ("fault", f"chmod go-w {server_root.settings}")
    assert found == f"{server_root.settings} can be changed by others than its owner (mode 0664)"


def test_python_file_of_another_user_is_a_fault(server_root: ServerRoot) -> None:
    folder = server_root.path / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir()
    file = folder / "10-site.py"
    file.write_text("")
    os.chown(file, 1, 1)
    told = told_about(server_root, "permissions")
    assert ("fault", f"{file} belongs to another user (uid 1)", f"chown root {file}") in told


@pytest.mark.parametrize(
    "name",
    [
        "opt/conda",
        "opt/conda/bin",
        "opt/conda/envs",
        "opt/conda/envs/hub/bin",
        "opt/conda/envs/hub/bin/python",
        "etc/systemd/system/jupyterhub.service",
        "etc/systemd/system/jupyterhub-proxy.service.d",
        "etc/systemd/system/jupyterhub.service.d/site.conf",
        "etc/pam.d/jupyterhub",
    ],
)
def test_what_root_runs_and_others_can_change_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout, environment = Layout(tmp_path), tmp_path / "opt/conda/envs/hub"
    monkeypatch.setattr("hubctl.layout.environment", lambda: environment)
    drop_ins = [unit.with_name(f"{unit.name}.d") / "site.conf" for unit in (layout.unit, layout.proxy_unit)]
    programs = [environment / "bin/python", tmp_path / "opt/conda/bin/python"]
    for path in (*drop_ins, *programs, layout.unit, layout.pam_service):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o644)
    assert [finding.state for finding in machine.permissions(Settings(), layout)] == ["ok"]
    (tmp_path / name).chmod(0o777)
    (finding,) = machine.permissions(Settings(), layout)
    assert (finding.state, finding.mend) == ("fault", f"chmod go-w {tmp_path / name}")


def test_full_disk_is_a_fault(tmp_path: Path) -> None:
    """A file system of one megabyte, where others have gigabytes."""
    layout = Layout(tmp_path)
    layout.state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", layout.state], check=True)
    try:
        assert next(machine.disk(Settings(), layout)).state == "ok"
        (layout.state / "filler").write_bytes(bytes(1000 * 1024))
        finding = next(machine.disk(Settings(), layout))
    finally:
        subprocess.run(["umount", layout.state], check=True)
    assert finding.state == "fault"
    assert finding.found == f"{layout.state} has 24 kB free"
    assert finding.mend.startswith("free some: `df ")


@pytest.fixture
def selinux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in, since this machine's kernel has no SELinux: restorecon(8) that prints what a file says."""
    (tmp_path / "enforce").write_text("1")
    script = tmp_path / "restorecon"
    script.write_text(f'#!/bin/sh\n[ "$1" = -nRv ] && cat {tmp_path}/says\n')
    script.chmod(0o755)
    (tmp_path / "says").touch()
    monkeypatch.setattr(machine, "_ENFORCE", tmp_path / "enforce")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(("enforcing", "state"), [("1", "fault"), ("0", "warning")])
def test_labels_that_are_not_the_policys_are_told(selinux: Path, enforcing: str, state: str) -> None:
    layout = Layout(selinux / "root")
    layout.state.mkdir(parents=True)
    (selinux / "enforce").write_text(enforcing)
    assert next(machine.selinux(Settings(), layout)).state == "ok"
    key = "/etc/jupyterhub/ssl/hub.key"
    (selinux / "says").write_text(
        f"Would relabel {key} from system_u:object_r:tmp_t:s0 to system_u:object_r:etc_t:s0\n"
    )
    finding = next(machine.selinux(Settings(), layout))
    assert finding.state == state
    assert finding.found.endswith(f"other labels than its policy's: {key}")
    assert finding.mend.startswith(f"restorecon -R {layout.state}")


def test_machine_without_selinux_is_not_told_of_it(server_root: ServerRoot) -> None:
    assert told_about(server_root, "selinux") == []


def test_status_has_the_disk_and_no_tickets_where_users_have_none(server_root: ServerRoot) -> None:
    found = status(server_root)
    assert found["tickets"] is None
    (space,) = found["disk"] if isinstance(found["disk"], list) else []
    assert 0 < space["free"] < space["total"]
    assert f"disk: {server_root.path}/var/lib/jupyterhub has " in server_root.hubctl("status").stdout


def glibc_of(folder: Path, depends: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What is said of an environment with these packages, as conda has written them down."""
    (folder / "conda-meta").mkdir()
    for name, entries in depends.items():
        (folder / "conda-meta" / f"{name}.json").write_text(json.dumps({"name": name, "depends": entries}))
    monkeypatch.setattr("hubctl.layout.environment", lambda: folder)
    (found,) = machine.glibc(Settings(), Layout(folder))
    return found


def test_packages_of_a_newer_system_than_this_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depends = {"old-1-0": ["python", "__glibc >=2.5"], "new-1-0": ["__glibc >=2.99"], "plain-1-0": []}
    found = glibc_of(tmp_path, depends, monkeypatch)
    assert (found.state, "2.99 is needed by new-1-0" in found.found) == ("fault", True)


def test_packages_with_an_upper_bound_as_well_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As conda-forge's have it."""
    found = glibc_of(
        tmp_path, {"new-1-0": ["__glibc >=2.99,<3.0.a0"], "a-1-0": ["__glibc >=2.17,<3.0.a0 *"]}, monkeypatch
    )
    assert (found.state, "2.99 is needed by new-1-0" in found.found) == ("fault", True)


def test_half_written_record_of_a_killed_conda_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/half-1-0.json").write_text('{"name": "ha')
    (tmp_path / "conda-meta/whole-1-0.json").write_text('{"depends": ["__glibc >=2.5"]}')
    monkeypatch.setattr("hubctl.layout.environment", lambda: tmp_path)
    half, rest = machine.glibc(Settings(), Layout(tmp_path))
    assert half.state == "fault"
    assert half.found.startswith(f"{tmp_path}/conda-meta/half-1-0.json is half-written")
    assert "hub-installer.sh -f" in half.mend
    assert (rest.state, "need 2.5 or less" in rest.found) == ("ok", True)


def test_packages_that_this_system_can_run_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = glibc_of(tmp_path, {"old-1-0": ["__glibc >=2.5"], "older-1-0": ["__glibc >=2.12"]}, monkeypatch)
    assert (found.state, "need 2.12 or less" in found.found) == ("ok", True)


def test_a_change_of_the_installation_that_was_interrupted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> Finding:
        (told,) = installation.check(Settings(), Layout(tmp_path))
        return told

    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    assert found().state == "ok"
    (tmp_path / ".hubforge/upgrade").mkdir(parents=True)
    assert (found().state, f"rm -r {tmp_path}/.hubforge/upgrade" in found().mend) == ("warning", True)
    (tmp_path / ".hubforge/installing").touch()
    assert (found().state, "hub-installer.sh" in found().mend) == ("fault", True)
    begun = Journal("/", "2026.12", Before("", 0, []), Before("", 0, []), [], restart=False)
    begun.write(tmp_path / ".hubforge/upgrade")
    assert "an upgrade to release 2026.12" in found().found
    begun.write(tmp_path / ".hubforge/upgrade", is_back=True, is_rollback=True)
    assert (found().found, "hubctl rollback" in found().mend) == ("a rollback has not come to its end", True)


@pytest.mark.parametrize("content", ["", '{"root": "/"', "[]", '{"root": "/"}'], ids=["empty", "half", "list", "other"])
def test_an_upgrade_whose_journal_is_damaged_is_told_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    file = tmp_path / ".hubforge/upgrade/journal.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    (told,) = installation.check(Settings(), Layout(tmp_path))
    assert told.state == "fault"
    assert f"{file} is damaged" in told.found
    assert "hub-installer.sh -u -f" in told.mend
    for command in (upgrade.upgrade, rollback.rollback):
        with pytest.raises(HubError, match=f"{file} is damaged.*hub-installer.sh -u -f"):
            command()
