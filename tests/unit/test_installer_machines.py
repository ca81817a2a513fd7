"""Machines: their C library, architecture and commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from post_install.host import UNIT_PATH
from post_install.steps import s20_folders, s50_settings, s80_pam, s90_service, s95_logrotate
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, fakes, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


FAKE_LIBC = r"""
__attribute__((visibility("default"))) void _start(void) {
    static const char banner[] = "GNU C Library (fake) stable release version VERSION.\n";
    long size = sizeof banner - 1, number = 1, out = 1;
    __asm__ volatile("syscall" : "+a"(number) : "D"(out), "S"(banner), "d"(size) : "rcx", "r11", "memory");
    __asm__ volatile("syscall" : : "a"(60L), "D"(0L));
    __builtin_unreachable();
}
"""


@pytest.mark.parametrize(("version", "code"), [("2.17", 1), ("2.27", 1), ("2.28", 0), ("2.41", 0), ("3.0", 0)])
def test_an_older_glibc_is_refused(installer: Path, tmp_path: Path, version: str, code: int) -> None:
    (tmp_path / "libc.c").write_text(FAKE_LIBC.replace("VERSION", version))
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu", "-shared", "-fPIC", "-nostdlib"]
    subprocess.run([*compiler, "-Wl,-e,_start", "-o", "libc.so.6", "libc.c"], cwd=tmp_path, check=True)
    # The first place where the installer looks; programs of this machine find their own libc elsewhere.
    done = mounted(
        f"mkdir {tmp_path}/lib64; cp -L /lib64/ld-linux-x86-64.so.2 {tmp_path}/libc.so.6 {tmp_path}/lib64\n"
        f"mount --bind {tmp_path}/lib64 /lib64\n"
        f"code=0; sh {installer} -bs -p {tmp_path}/prefix --log /dev/null || code=$?; echo code $code\n"
    )
    assert f"code {code}" in done.stdout, done.stderr
    if code:
        assert version in done.stderr
        assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_an_unknown_version_of_glibc_is_not_held_against_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/lib64; cp -L /lib64/ld-linux-x86-64.so.2 {tmp_path}/lib64\n"
        f"echo >{tmp_path}/lib64/libc.so.6\n"
        f"mount --bind {tmp_path}/lib64 /lib64\n"
        f"{shell} {installer} -bs -p {tmp_path}/prefix --log /dev/null\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_machine_of_32_bits_is_refused(installer: Path, tmp_path: Path) -> None:
    command = ["setarch", "i686", "sh", str(installer), "-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "i686" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_selinux_contexts_are_restored_where_the_command_is_there(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", restorecon=f'echo "$*" >>{tmp_path}/restored')
    assert run(installer, "-bs", "-p", tmp_path / "prefix", PATH=path).returncode == 0
    assert f"{tmp_path}/prefix" in (tmp_path / "restored").read_text()


HOST_PLACES = [
    *(folder.path for folder in s20_folders.FOLDERS),
    s50_settings.PATH,
    s80_pam.PATH,
    *(UNIT_PATH, s90_service.PROXY_PATH, s90_service.SLICE_PATH, s90_service.TMPFILES_PATH),
    s95_logrotate.PATH,
]
"""What the steps put into /etc and /var; the shared folder is an integration test's."""


def test_selinux_contexts_are_restored_of_all_that_the_steps_put_on_the_host(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", restorecon=f'echo "$*" >>{tmp_path}/restored')
    done = mounted(
        "mount -t tmpfs none /etc; mount -t tmpfs none /var\n"
        f"mkdir -p {' '.join(HOST_PLACES)}\n"
        f"PATH={path} sh {installer} -bs -p {tmp_path}/prefix --log /dev/null\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    restored = (tmp_path / "restored").read_text().split()
    assert [place for place in HOST_PLACES if not any(Path(place).is_relative_to(above) for above in restored)] == []


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_coreutils_are_enough_and_of_these_neither_dd_nor_md5sum_is_needed(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    listed = subprocess.run(["dpkg-query", "-L", "coreutils"], check=True, capture_output=True, text=True)
    for program in (Path(line) for line in listed.stdout.splitlines() if "bin/" in line):
        if program.name not in ("dd", "md5sum"):
            (commands / program.name).symlink_to(program)
    for task in (["-bs"], ["-bsu"], ["--check", "-u"], ["--list"], ["--sbom"], ["--uninstall", "-b"]):
        done = run(installer, *task, "-p", tmp_path / "prefix", shell=shell, PATH=str(commands))
        assert (done.returncode, done.stderr) == (0, ""), task


@pytest.mark.parametrize("missing", ["sha256sum", "tail", "df", "tee", "uname"])
def test_a_missing_command_is_named(installer: Path, tmp_path: Path, missing: str) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(commands)], check=True)
    (commands / missing).unlink()
    done = run(installer, "-bs", "-p", tmp_path / "prefix", shell="/bin/dash", PATH=str(commands))
    assert done.returncode == 1
    assert f'"{missing}"' in done.stderr
    assert not (tmp_path / "prefix").exists()
