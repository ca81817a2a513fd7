"""Commands of an administrator whose disk is full: each says so, and where; nobody is told to become root."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from backup_support import STATE, backup
from conftest import ServerRoot
from spawn_support import fill, small_disk, small_run

from tests.waiting import wait_for


def told(what: str, folder: Path) -> str:
    return (
        f"hubctl: {what}: no space left in {folder}: make room there (`df {folder}`), then run the same command again\n"
    )


@pytest.mark.parametrize("command", [["config", "set", "named_servers", "3"], ["admin", "add", "eve"]])
def test_settings_that_there_is_no_space_for_are_as_they_were(server_root: ServerRoot, command: list[str]) -> None:
    before, folder = server_root.settings.read_text(), server_root.settings.parent
    with small_disk(folder) as filler:
        server_root.settings.write_text(before)
        for path in (folder, server_root.settings):
            shutil.chown(path, server_root.user.uid, server_root.user.gid)
        fill(filler)
        done = server_root.hubctl(*command)
        assert server_root.settings.read_text() == before
    assert (done.returncode, done.stderr) == (1, told(f"{server_root.settings} is as it was", folder))


def full_state(root: ServerRoot, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of a hub whose state has no space left, beside other folders that have."""
    with small_disk(root.path / STATE) as filler:
        shutil.chown(root.path / STATE, root.user.uid, root.user.gid)
        fill(filler)
        return root.hubctl(*command)


def test_a_backup_names_the_state_when_that_is_full_and_not_where_the_file_would_be(server_root: ServerRoot) -> None:
    done = full_state(server_root, "backup", str(server_root.path / "hub.tar.gz"))
    assert (done.returncode, done.stderr) == (1, told("There is no backup", server_root.path / STATE))


def test_a_restoration_names_a_folder_that_is_there_when_df_is_typed(server_root: ServerRoot) -> None:
    done = full_state(server_root, "restore", str(backup(server_root)))
    assert (done.returncode, done.stderr) == (1, told("Not restored", server_root.path / STATE))


def test_a_certificate_that_there_is_no_space_for_is_not_called_made(server_root: ServerRoot) -> None:
    """There is room to make the pair, and none where it is to go."""
    folder = server_root.certificate.parent
    pair = {path: path.read_bytes() for path in folder.iterdir()}
    with small_disk(folder) as filler:
        for path, content in pair.items():
            path.write_bytes(content)
        for path in (folder, *pair):
            shutil.chown(path, server_root.user.uid, server_root.user.gid)
        fill(filler)
        done = server_root.hubctl("cert", "self-signed")
        assert {path: path.read_bytes() for path in pair} == pair
    assert (done.returncode, done.stderr) == (1, told(f"{server_root.certificate} is as it was", folder))
    assert done.stdout == ""


def hubs(root: ServerRoot) -> list[str]:
    """Process numbers of JupyterHubs of this root, found without the pid file."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = f"HUBFORGE_ROOT={root.path}".encode() in (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and b"jupyterhub" in words:
            found.append(entry.name)
    return found


def test_a_hub_that_can_not_be_written_down_does_not_go_on(server_root: ServerRoot) -> None:
    with small_run(server_root.path) as filler:
        runtime = filler.with_name("jupyterhub")
        runtime.mkdir()
        os.chown(runtime, server_root.user.uid, server_root.user.gid)
        fill(filler)
        done = server_root.hubctl("start")
        left = hubs(server_root)
        wait_for("the end of such a hub", lambda: hubs(server_root) == [])
    assert (done.returncode, done.stderr) == (1, told("The hub was not started", runtime))
    assert left == []


def test_a_hub_whose_state_has_no_space_is_not_started(server_root: ServerRoot) -> None:
    done = full_state(server_root, "start")
    assert (done.returncode, done.stderr) == (1, told("The hub can't start", server_root.path / STATE))
    assert not server_root.log.exists()
