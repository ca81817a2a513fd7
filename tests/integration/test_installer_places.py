"""The real installer where it is not as one would wish: without root, on odd servers, and where it cannot run."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT, PREFIX

INSTALLER = "/dist/hub-installer.sh"
LOGIN = Path(__file__).parent.parent / "login.py"


RESTORECON = """\
#!/bin/sh
echo "$*" >/restored
"""
"""Stands for SELinux's command: the tests' kernel has no policy in force that contexts could be restored of."""

LABELLED = (PREFIX, "/etc/jupyterhub", "/etc/pam.d/jupyterhub", "/var/lib/jupyterhub", "/var/log/jupyterhub")
"""Without systemd and logrotate; a unit test has all of them."""


def log_in(server: Container, environment: str, user: str, password: str) -> str:
    """Logs in through the hub's form and starts a server; gives the version of JupyterLab's server."""
    server.run("sh", "-c", "cat > /tmp/login.py", text=LOGIN.read_text())
    log_in = (f"{environment}/bin/python", "/tmp/login.py", "https://localhost:8000", user)
    return server.run(*log_in, text=f"{password}\n").stdout


def test_a_server_that_is_odd_in_every_way(installer: Path) -> None:
    """A noexec /tmp and TMPDIR, a read-only /root, no HOME, LANG=C, umask 077, standard input closed, no terminal."""
    options = ("--tmpfs=/tmp:noexec", "--tmpfs=/root:ro", "--env=TMPDIR=/tmp", "--env=LANG=C")
    as_alice = "setpriv --reuid=alice --regid=alice --init-groups env HOME=/home/alice"
    with running(base_image("bookworm"), *options, mounts={installer.parent: "/dist"}) as server:
        assert "noexec" in server.shell("grep ' /tmp ' /proc/mounts")
        assert server.run("touch", "/root/file", check=False).returncode == 1
        server.run("sh", "-c", "cat >/usr/local/bin/restorecon; chmod +x /usr/local/bin/restorecon", text=RESTORECON)
        server.shell(f"unset HOME; umask 077; exec <&-; bash {INSTALLER} -b")
        assert server.shell("cat /restored").split() == ["-R", *LABELLED, "/shared/jupyterhub"]
        server.shell("useradd -m -G jupyterhub alice; echo alice:correct-horse | chpasswd")
        assert server.shell(f"{as_alice} {PREFIX}/bin/conda --version") == "conda 24.7.1\n"
        assert server.shell(f"{as_alice} {PREFIX}/bin/conda list -n jupyterhubenv jupyterhub")
        server.shell(f"{ENVIRONMENT}/bin/hubctl start")
        assert log_in(server, ENVIRONMENT, "alice", "correct-horse").startswith("2.")


def test_a_disk_that_fails_once_it_writes_ends_in_4(installer: Path, tmp_path: Path) -> None:
    """The kernel takes every file into its memory; that the disk below has no room for them shows only later.

    Who is told of it first is chance: the helper when it asks for the write, or when it makes its next file.
    """
    (tmp_path / "disk").mkdir()
    (tmp_path / "small").mkdir()
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-euc"),
            "mount -t tmpfs -o size=300m none small\n"
            "truncate -s 3G small/image; mkfs.ext4 -q small/image; mount -o loop small/image disk\n"
            f"code=0; bash {installer} -b -s -p {tmp_path}/disk/prefix --log /dev/null || code=$?\n"
            "test ! -e disk/prefix/.hubforge/installed.json; umount disk small; exit $code\n",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    reason, advice = done.stderr.splitlines()
    assert re.fullmatch("hub-installer: .*: (I/O error|Input/output error|Read-only file system)", reason)
    assert advice.endswith("When the cause is removed, the same command finishes it.")


@pytest.fixture(scope="module")
def of_nobody(installer: Path) -> Iterator[Container]:
    """A container that no process of is root's, after an installation by whoever that is."""
    with running(base_image("bookworm"), "--user=nobody", mounts={installer.parent: "/dist"}) as server:
        server.shell(f"bash {INSTALLER} -b -p /var/tmp/hub >/var/tmp/said 2>&1")
        yield server


def test_without_root_the_hosts_steps_are_skipped_and_that_is_said(of_nobody: Container) -> None:
    said = of_nobody.shell("cat /var/tmp/said")
    assert "left alone (only root can prepare it)" in said
    assert said.count(": skipped: needs root") == 10
    assert of_nobody.shell("find /etc /shared /var/lib /var/log -user nobody 2>/dev/null || true") == ""
    assert "Linking the environments" in of_nobody.shell("cat /var/tmp/hub-install.log")


def test_without_root_the_hub_starts_and_a_login_works(of_nobody: Container) -> None:
    environment = "/var/tmp/hub/envs/jupyterhubenv"
    hubctl = f"{environment}/bin/hubctl --root /var/tmp/root"
    of_nobody.shell(f"{hubctl} setup --auth shared-password --spawner local")
    of_nobody.shell(f"{hubctl} start")
    password = of_nobody.shell("cat /var/tmp/root/var/lib/jupyterhub/shared_password").strip()
    try:
        assert log_in(of_nobody, environment, "tester", password).startswith("2.")
    finally:
        of_nobody.shell(f"{hubctl} stop")


MUSL = """
mkdir -p /musl/bin /musl/dev /musl/lib /musl/lib64
mknod -m 666 /musl/dev/null c 1 3
cp /bin/busybox /musl/bin/busybox
chroot /musl /bin/busybox --install -s /bin
cp -L /lib/ld-musl-x86_64.so.1 /musl/lib/
cp /dist/hub-installer.sh /musl/
"""
"""As near to Alpine as Debian has it: musl's loader, busybox's commands, and nothing of glibc."""


@pytest.fixture(scope="module")
def musl(installer: Path) -> Iterator[Container]:
    image = base_image("bookworm", ["busybox-static", "musl"])
    with running(image, mounts={installer.parent: "/dist"}) as server:
        server.shell(MUSL)
        server.shell("mkdir -p /musl/proc/self; cp /proc/self/mounts /musl/proc/self/")  # a host has a /proc
        assert "musl libc" in server.shell("chroot /musl /lib/ld-musl-x86_64.so.1 2>&1 || true")
        yield server


@pytest.mark.parametrize("gcompat", [False, True], ids=["bare", "with gcompat"])
def test_musl_is_refused_with_one_line_before_anything_is_written(musl: Container, gcompat: bool) -> None:
    if gcompat:  # which puts musl's loader where glibc's would be
        musl.shell("ln -sf ../lib/ld-musl-x86_64.so.1 /musl/lib64/ld-linux-x86-64.so.2")
    before = musl.shell("find /musl | sort")
    refused = musl.run("chroot", "/musl", "sh", "/hub-installer.sh", "-b", check=False)
    assert refused.returncode == 1
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert "no glibc" in line
    assert musl.shell("find /musl | sort") == before
