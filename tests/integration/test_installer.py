"""The installer on bare servers: other people's coreutils, and a server that is as before after an uninstallation."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container, base_image, running
from tests.product import PREFIX
from tests.rattlers_links import differences_between, laid_down, linked_by_rattler
from tests.russian import english_lines

INSTALLER = "/dist/hub-installer.sh"
LISTING = r"""
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -path /dist -prune -o \
    -printf '%p %y %m %u:%g %l\n' | sort
find /etc /root -type f -exec sha256sum {} + | sort
"""
PASSING = ("/etc/group-", "/etc/gshadow-", "/var/lib/jupyterhub/jupyterhub.sqlite-journal")
"""groupadd and groupdel keep a copy of the file that they change; SQLite has one while a hub writes."""


@pytest.fixture
def server(installer: Path) -> Iterator[Container]:
    with running(base_image("bookworm"), mounts={installer.parent: "/dist"}) as container:
        yield container


def files(server: Container) -> set[str]:
    """A line for every file with its owner and mode, and for those that programs edit with its content."""
    return {line for line in server.shell(LISTING).splitlines() if not any(path in line for path in PASSING)}


def test_check_writes_nothing(server: Container) -> None:
    before = files(server)
    server.run("sh", INSTALLER, "--check")
    assert files(server) == before


def test_after_an_uninstallation_with_purge_the_server_is_as_it_was(server: Container) -> None:
    before = files(server)
    server.run("bash", INSTALLER, "-b", "-c")
    assert server.run("bash", "-ic", "conda activate jupyterhubenv && which hubctl").stdout.startswith(PREFIX)
    server.shell(f"{PREFIX}/envs/jupyterhubenv/bin/hubctl start; echo mine > /shared/jupyterhub/file")
    server.run("bash", INSTALLER, "--uninstall", "--purge", "-b")
    running = server.shell("cat /proc/[0-9]*/cmdline || true")  # one may end before cat comes to it
    assert "/proc/" in running
    assert PREFIX not in running, "the hub and its proxy have ended"
    assert files(server) == before


@pytest.mark.parametrize("flags", ["-b", "-bs"])
def test_a_second_prefix_comes_and_goes_beside_a_hub_that_runs(server: Container, flags: str) -> None:
    server.run("bash", INSTALLER, "-b")
    server.shell(f"{PREFIX}/envs/jupyterhubenv/bin/hubctl start")
    before = files(server)
    server.run("bash", INSTALLER, flags, "-p", "/opt/trial")
    said = server.run("bash", INSTALLER, "--uninstall", "--purge", "-b", "-p", "/opt/trial").stdout
    assert f"(stays: what is set up on this host, for the hub in {PREFIX})" in said
    assert files(server) == before
    assert server.run(f"{PREFIX}/envs/jupyterhubenv/bin/hubctl", "status").returncode == 0


def test_an_administrator_with_a_russian_locale_meets_no_english_line(server: Container) -> None:
    hubctl = f"{PREFIX}/envs/jupyterhubenv/bin/hubctl"
    for command in (
        f"sh {INSTALLER} --check",
        f"bash {INSTALLER} -b",
        f"rm /etc/jupyterhub/ssl/hub.crt; chmod 777 /etc/jupyterhub; {hubctl} setup --check",
        f"{hubctl} setup",
        f"echo x >/var/lib/jupyterhub/cookie_secret; echo >>{PREFIX}/.condarc; bash {INSTALLER} -b -u",
        f"bash {INSTALLER} --uninstall --purge -b",
    ):
        said = server.shell(f"export LANG=ru_RU.UTF-8; ({command}) 2>&1 || true")
        assert len(said.splitlines()) > 5, said
        assert english_lines(said) == []


def test_an_environment_can_be_made_offline_from_the_package_cache(server: Container) -> None:
    server.run("bash", INSTALLER, "-b")
    server.shell(f"{PREFIX}/bin/conda create --offline --yes --quiet --name made python=3.13 requests")
    python = f"{PREFIX}/envs/made/bin/python"
    assert server.shell(f"{python} -c 'import requests; print(requests.__name__)'") == "requests\n"
    assert "Linking the environments" in server.shell("cat /var/log/hubforge-install.log")


def test_every_file_and_record_is_as_rattler_makes_it(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    subprocess.run(["sh", installer, "-bs", "-p", prefix, "--log", "/dev/null"], check=True)
    ours = laid_down(prefix)
    assert differences_between(ours, linked_by_rattler(installer, prefix)) == {}


def test_without_purge_what_belongs_to_people_stays(server: Container) -> None:
    show = "cat /shared/jupyterhub/file /etc/jupyterhub/hub.yaml /var/lib/jupyterhub/cookie_secret"
    server.run("bash", INSTALLER, "-b")
    server.shell("echo mine > /shared/jupyterhub/file")
    kept = server.shell(show)
    server.run("bash", INSTALLER, "--uninstall", "-b")
    assert server.shell("ls -d /opt/* /etc/pam.d/jupyterhub /run/jupyterhub 2>/dev/null || true") == ""
    assert server.shell(show) == kept
    server.run("bash", INSTALLER, "-b")
    assert server.shell(show) == kept


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_rust_coreutils_are_enough(installer: Path, shell: str) -> None:
    image = base_image("trixie", ["rust-coreutils"])
    path = "PATH=/usr/lib/cargo/bin/coreutils:$PATH"
    with running(image, mounts={installer.parent: "/dist"}) as server:
        assert "0.0." in server.shell(f"{path}; tail --version")
        for task in ("--check", "-b -s", "--list", "--uninstall -b"):
            # As below systemd, which ignores the signal of a broken pipe.
            done = server.run("sh", "-c", f"export {path}; trap '' PIPE; {shell} {INSTALLER} {task}")
            assert done.stderr == "", task
