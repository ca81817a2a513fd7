"""Where the installer runs, and where it refuses to: file systems, mounts, locks, an odd environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forge.paths import ROOT
from post_install.host import UNIT_PATH
from post_install.steps import s20_folders, s50_settings, s80_pam, s90_service, s95_logrotate
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, fakes, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


# ---- file systems ----


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


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_has_no_room_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size=900k none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'"{tmp_path}/disk" has 0 MiB free; 2 MiB are needed' in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_was_written_in_part_holds_nothing_of_the_installers(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel/linux-64").touch()  # where a folder belongs
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 4
    assert [path.name for path in (tmp_path / "channel").glob(".*")] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_on_a_noexec_disk_is_refused_with_what_to_do(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o noexec none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'Programs cannot be run from "{tmp_path}/disk/channel"' in done.stderr
    assert "Choose another folder" in done.stderr


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


def test_an_installation_through_a_link_in_the_path(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "opt").symlink_to("real")
    assert run(installer, "-bs", "-p", tmp_path / "opt/prefix").returncode == 0
    assert (tmp_path / "real/prefix/.hubforge/installed.json").exists()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """An administrator's link to an empty folder on another disk."""
    (tmp_path / "disk/conda").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/conda")
    return tmp_path / "link"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_prefix_that_is_a_link_to_a_folder_is_that_folder(installer: Path, link: Path, shell: str) -> None:
    assert run(installer, "--check", "-p", link, shell=shell).returncode == 0
    for flags in ("-bs", "-bsu", "-bsf"):
        done = run(installer, flags, "-p", link, shell=shell)
        assert (done.returncode, done.stderr) == (0, "")
    assert f"#!{link.resolve()}/" in (link / "envs/jupyterhubenv/bin/demo").read_text()
    done = run(installer, "--uninstall", "-b", "-p", link, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The folder {link.resolve()} stays, and is empty.\n" in done.stdout
    assert link.is_symlink()
    assert list(link.iterdir()) == [], "the link and its folder are the administrator's"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_goes_to_the_folder_that_a_link_leads_to(installer: Path, link: Path, shell: str) -> None:
    for _ in range(2):
        done = run(installer, "--extract-channel", link, shell=shell)
        assert (done.returncode, done.stderr) == (0, "")
    assert (link / "linux-64/repodata.json").exists()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("subdir", ["linux-64", "noarch"])
def test_a_channel_whose_packages_would_go_through_a_link_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, subdir: str, shell: str
) -> None:
    for folder in ("channel", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "channel" / subdir).symlink_to("../elsewhere")
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 1
    assert f'"{tmp_path}/channel/{subdir}" is a symbolic link, and no package is written through one' in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "channel").iterdir()] == [subdir]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_link_that_leads_nowhere_is_refused_by_the_check_as_by_the_installation(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for prefix in (tmp_path / "link", tmp_path / "link/prefix"):
        for task in (["--check"], ["-bs"]):
            done = run(installer, *task, "-p", prefix, shell=shell)
            assert done.returncode == 1
            assert done.stderr.splitlines()[0].startswith((f'"{prefix}" (or a part', "What stands in the way"))
    assert run(installer, "--extract-channel", tmp_path / "link", shell=shell).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_package_cache_that_is_a_link_is_refused_since_hard_links_do_not_reach_through_it(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    for folder in ("disk", "prefix"):
        (tmp_path / folder).mkdir()
    (tmp_path / "prefix/pkgs").symlink_to("../disk")
    for task in (["--check", "-f"], ["-bsf"]):
        done = run(installer, *task, "-p", tmp_path / "prefix", shell=shell)
        assert done.returncode == 1
        assert f'"{tmp_path}/prefix/pkgs" is a symbolic link' in done.stdout + done.stderr
    assert list((tmp_path / "disk").iterdir()) == []
    assert [path.name for path in (tmp_path / "prefix").iterdir()] == ["pkgs"]


# ---- machines ----


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


def names_hub_in(first: Path, host: Path, by_its_unit: bool) -> None:
    """Sets ``host`` up, with /var/lib and /etc below it, for the hub in ``first``: as this release does, or one before."""
    for folder in (host / "etc/systemd/system", host / "lib/jupyterhub", first / "envs/jupyterhubenv/bin"):
        folder.mkdir(parents=True)
    (first / "envs/jupyterhubenv/bin/hubctl").touch()
    if by_its_unit:
        unit = (ROOT / "config/jupyterhub.service").read_text().replace("@ENV@", f"{first}/envs/jupyterhubenv")
        (host / "etc/systemd/system/jupyterhub.service").write_text(unit)
    else:
        (host / "lib/jupyterhub/prefix").write_text(f"{first}\n")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("by_its_unit", [False, True])
@pytest.mark.parametrize("flags", ["-bf", "-bfs"])
def test_a_host_with_the_hub_of_another_prefix_is_left_alone_and_both_summary_and_advice_say_so(
    installer: Path, tmp_path: Path, by_its_unit: bool, flags: str, shell: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    names_hub_in(first, tmp_path, by_its_unit)
    done = mounted(
        f"cp -a /etc/ssl {tmp_path}/etc  # py-rattler does not start without certificates\n"
        f"mount --bind {tmp_path}/lib /var/lib; mount --bind {tmp_path}/etc /etc\n"
        f"for prefix in {first} {second}; do {shell} {installer} {flags} -p $prefix --log /dev/null; echo END; done\n"
    )
    assert done.returncode == 0, done.stderr
    of_first, of_second, _ = done.stdout.split("END\n")
    if flags == "-bf":
        assert "prepared: group" in of_first
        assert "left alone (it is set up for the hub in another prefix)" in of_second
    assert f"This host is set up for the hub in {first}, and stays so." in of_second
    assert f"sh '{installer}' --uninstall -p {first}\n" in of_second
    assert "This host is set up" not in of_first


# ---- surroundings ----


@pytest.mark.parametrize(
    "surroundings",
    [
        "unset HOME",
        "exec <&-",
        "exec >&-",
        "exec 2>&-",
        "exec <&- >&- 2>&-",
        "exec </dev/null >/dev/null",
        "LANG=C LC_ALL=C; export LANG LC_ALL",
        "LANG=xx_YY.UTF-8; export LANG",
        "TMPDIR=/nonexistent; export TMPDIR",
        "PYTHONHOME=/nonexistent PYTHONPATH=/nonexistent LD_LIBRARY_PATH=/nonexistent; export PYTHONHOME PYTHONPATH",
        "GREP_OPTIONS=-x POSIXLY_CORRECT=1 IFS=xyz; export GREP_OPTIONS POSIXLY_CORRECT IFS",
        "ulimit -n 64",
        "umask 077",
        "cd /; rmdir $folder/gone; cd $folder",
        "CDPATH=/tmp; export CDPATH",
        "SHELLOPTS_WANTED=1; set -e",
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_odd_surroundings_do_not_matter(installer: Path, tmp_path: Path, surroundings: str, shell: str) -> None:
    (tmp_path / "gone").mkdir()
    script = f"folder={tmp_path}; {surroundings}; exec {shell} {installer} -bs -p {tmp_path}/prefix --log /dev/null"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "prefix/.hubforge/installed.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("shell", SHELLS)
def test_is_run_by_its_own_name_from_its_own_folder(installer: Path, tmp_path: Path, shell: str) -> None:
    (tmp_path / "with space").mkdir()
    copy = tmp_path / "with space/hub installer.sh"
    copy.write_bytes(installer.read_bytes())
    command = [*shell.split(), copy.name, "-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    done = subprocess.run(command, cwd=copy.parent, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_through_a_pipe_it_says_how_to_run_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        f"cat {installer} | {shell} -s -- -bs -p {tmp_path}/prefix", shell=True, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert not (tmp_path / "prefix").exists()
    assert "sh FILE" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_on_standard_input_it_says_which_shells_run_it(installer: Path, tmp_path: Path, shell: str) -> None:
    done = subprocess.run(f"{shell} <{installer}", shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Run it as a file with sh, dash, bash, zsh or busybox sh" in done.stderr


def test_zsh_hands_it_to_sh(installer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "hub installer.sh"
    copy.write_bytes(installer.read_bytes())
    for task in (["-bs"], ["-bsu"], ["--uninstall", "-b"]):
        done = run(copy, *task, "-p", tmp_path / "prefix", shell="zsh")
        assert (done.returncode, done.stderr) == (0, ""), task


# ---- locks ----


@pytest.mark.parametrize("shell", SHELLS)
def test_of_two_installers_at_once_the_second_stops_with_the_firsts_pid(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = os.environ | stub.before_linking(tmp_path / "commands", f"read -r _ <{gate}")
    command = [*shell.split(), str(installer), "-bs", "-p", str(tmp_path / "prefix"), "--log", "/dev/null"]
    with subprocess.Popen(command, env=slow, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        while "Linking" not in first.stdout.readline():
            pass
        second = run(installer, "-bs", "-p", tmp_path / "prefix", shell=shell)
        removal = run(installer, "--uninstall", "-b", "-p", tmp_path / "prefix", shell=shell)
        gate.write_text("go\n")
        first.stdout.read()
    assert first.returncode == 0
    assert (second.returncode, removal.returncode) == (1, 1)
    assert str(first.pid) in second.stderr
    assert str(first.pid) in removal.stderr


def test_two_channels_extracted_into_one_folder_at_once_leave_a_whole_one(installer: Path, tmp_path: Path) -> None:
    command = ["sh", str(installer), "--extract-channel", str(tmp_path / "channel")]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for one in runs:
        said = one.communicate()[1]
        assert one.returncode == 0 or (one.returncode == 1 and "is at work in" in said), said
    assert 0 in {one.returncode for one in runs}
    left = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "channel").iterdir()}
    assert left == {"channel/linux-64", "channel/noarch"}
    assert run(installer, "--extract-channel", tmp_path / "alone").returncode == 0
    assert stub.tree(tmp_path / "channel") == stub.tree(tmp_path / "alone")
