"""The folder that users share: its mode, and the ACL that makes what is put there the group's to change."""

import os
import subprocess
from pathlib import Path

import pytest

from post_install.cli import check, ensure
from post_install.host import Host
from post_install.steps import s30_shared

from .post_install_scratch import make_host, mode


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = make_host(tmp_path)
    made.at("/run/systemd/system").mkdir(parents=True)
    return made


@pytest.mark.parametrize(
    ("found", "wanted"), [(0o774, 0o2774), (0o700, 0o2774), (0o2770, 0o2774), (0o3775, 0o3775), (0o2777, 0o2777)]
)
def test_the_shared_folder_gets_what_it_lacks_and_keeps_the_rest(host: Host, found: int, wanted: int) -> None:
    shared = host.at("/shared/jupyterhub")
    (shared / "report").mkdir(parents=True)
    (shared / "report").chmod(0o751)
    shared.chmod(found)
    assert ensure(host) == 0
    assert oct(mode(host, "/shared/jupyterhub")) == oct(wanted)
    assert mode(host, "/shared/jupyterhub/report") == 0o751


def test_what_is_made_in_the_shared_folder_is_the_groups_to_change_whatever_the_umask(host: Host) -> None:
    ensure(host)
    shared = host.at(s30_shared.PATH)
    before = os.umask(0o077)
    try:
        (shared / "folder").mkdir()
        for file in (shared / "file", shared / "folder" / "file"):
            file.touch()
    finally:
        os.umask(before)
    assert oct(mode(host, "/shared/jupyterhub/folder")) == oct(0o2775)
    assert oct(mode(host, "/shared/jupyterhub/file")) == oct(0o664)
    assert oct(mode(host, "/shared/jupyterhub/folder/file")) == oct(0o664)


def test_a_default_acl_that_is_lost_is_seen_and_made_again_and_another_one_stays(host: Host) -> None:
    ensure(host)
    shared = host.at(s30_shared.PATH)
    ours = os.getxattr(shared, s30_shared.DEFAULT_ACL)
    os.removexattr(shared, s30_shared.DEFAULT_ACL)
    assert check(host) == 1
    assert ensure(host) == 0
    assert os.getxattr(shared, s30_shared.DEFAULT_ACL) == ours
    os.setxattr(shared, s30_shared.DEFAULT_ACL, ours[:-8] + bytes([0x20, 0, 0, 0]) + ours[-4:])
    theirs = os.getxattr(shared, s30_shared.DEFAULT_ACL)
    assert theirs != ours
    ensure(host)
    assert os.getxattr(shared, s30_shared.DEFAULT_ACL) == theirs


def test_a_shared_folder_on_a_file_system_without_acls_is_no_fault(host: Host) -> None:
    assert os.geteuid() == 0, "only root mounts file systems; `make test` runs as root"
    shared = host.at(s30_shared.PATH)
    shared.mkdir(parents=True)
    subprocess.run(["mount", "-t", "ramfs", "ramfs", shared], check=True)
    try:
        assert ensure(host) == 0
        assert check(host) == 0
    finally:
        subprocess.run(["umount", shared], check=True)
