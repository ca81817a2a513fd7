"""The ticket's folder: what users could put there, and what happens when it is full."""

import contextlib
import logging
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyterhub_kerberos.cache import TicketFolders
from jupyterhub_kerberos.errors import TicketError
from jupyterhub_kerberos.programs import Account
from kerberos_support import KRB5, NO_TICKET, USER, Login, as_user, modes
from tornado import web

pytest_plugins = ["kerberos_support"]


def test_link_in_the_ticket_folder_is_replaced_not_followed(login: Login, tmp_path: Path) -> None:
    login()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    login.cache.unlink()
    login.cache.symlink_to(victim)
    os.lchown(login.cache, *[as_user().uid] * 2)
    assert login() is not None
    assert victim.read_text() == "untouched"
    assert modes(victim)[1] == 0
    assert stat.S_ISREG(login.cache.lstat().st_mode)


def test_link_in_place_of_the_ticket_folder_is_refused(login: Login, tmp_path: Path) -> None:
    login.tickets.mkdir(parents=True, mode=0o711)
    (login.tickets / USER).symlink_to(tmp_path)
    with pytest.raises(web.HTTPError):
        login()
    assert list(tmp_path.iterdir()) == []
    assert modes(tmp_path)[1] == 0


def test_ticket_folder_that_others_can_write_to_is_refused(login: Login) -> None:
    login.tickets.mkdir(parents=True)
    login.tickets.chmod(0o1777)
    with pytest.raises(web.HTTPError):
        login()


@pytest.mark.parametrize("kind", ["link", "pipe", "foreign"])
def test_root_reads_plain_files_of_the_user_only(tickets: Path, tmp_path: Path, kind: str) -> None:
    folders, account = TicketFolders(tickets), as_user()
    path = folders.make(account) / "new"
    if kind == "link":
        path.symlink_to("/etc/shadow")
    elif kind == "pipe":
        os.mkfifo(path)
        os.chown(path, account.uid, account.gid)
    else:
        path.write_text("root's")
    with pytest.raises((TicketError, OSError)):
        folders.read(account, "new")


def test_folder_of_a_strange_name_is_never_made(tickets: Path) -> None:
    with pytest.raises(TicketError):
        TicketFolders(tickets).make(Account("../x", 1, 1))


@pytest.fixture
def full(tickets: Path) -> Iterator[Path]:
    """A ticket folder on a file system without space, made full by writing ``filler``."""
    tickets.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0711", "none", str(tickets)], check=True)
    yield tickets / "filler"
    subprocess.run(["umount", str(tickets)], check=True)


def fill(filler: Path) -> None:
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.parametrize("service", [KRB5, NO_TICKET])
def test_full_file_system_is_said_and_the_ticket_of_before_stays(
    login: Login, full: Path, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    login.service = service
    login()
    before = login.cache.read_bytes()
    fill(full)
    with caplog.at_level(logging.ERROR), pytest.raises(web.HTTPError, match="no space left") as error:
        login()
    assert error.value.status_code == 507
    assert caplog.text
    assert login.cache.read_bytes() == before
    assert [path.name for path in login.folder.iterdir()] == ["krb5cc"]
    full.unlink()
    assert login() is not None
