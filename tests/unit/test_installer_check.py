"""``--check``: what it says about this file and this host, a line each, and that it writes nothing."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, fakes, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_every_concern_is_one_line_and_nothing_is_written(installer: Path, tmp_path: Path, shell: str) -> None:
    done = run(installer, "--check", "-p", tmp_path / "new/prefix", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    for word in (
        *("sha256", "architecture", "glibc", "libstdc++", "prefix", "space", "programs", "users"),
        *("port 8000", "port 8001", "port 8081", "Docker", "systemd", "Kerberos", "clock"),
    ):
        assert sum(word in line for line in lines) >= 1, word
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_way_is_a_stop_and_the_checks_go_on(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", uname="echo aarch64", df="echo /dev/x 100000 99000 1000 99% /")
    done = run(installer, "--check", "-p", tmp_path / "with space", PATH=path)
    assert done.returncode == 1
    stops = [line for line in done.stdout.splitlines() if line.startswith("stop")]
    assert [word for word in ("aarch64", "with space", "MiB") if any(word in line for line in stops)] == [
        *("aarch64", "with space", "MiB")
    ]
    assert "clock" in done.stdout.splitlines()[-1]
    assert done.stderr.strip().endswith("3")


def test_an_existing_prefix_is_a_stop_without_u(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(installer, "--check", "-p", tmp_path).returncode == 1
    assert run(installer, "--check", "-u", "-p", tmp_path).returncode == 0


def test_a_port_that_is_taken_is_a_warning(installer: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 8081)):
        done = run(installer, "--check", "-p", tmp_path / "prefix")
    assert done.returncode == 0
    assert any(line.startswith("warning") and "8081" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_ports_of_this_prefixs_own_hub_and_of_its_proxy_are_said_to_be_theirs(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    prefix, other = tmp_path / "prefix", tmp_path / "other"
    program = prefix / "envs/jupyterhubenv/bin/sleep"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/sleep", program)
    with ExitStack() as ends:
        hub, proxy, _ = [ends.enter_context(socket.create_server(("", port))) for port in (8081, 8000, 8001)]
        pids = []
        for holder in (hub, proxy):
            process = ends.enter_context(subprocess.Popen([str(program), "600"], stdin=holder.fileno()))
            ends.callback(process.kill)
            pids.append(process.pid)
        done = mounted(
            f"mount -t tmpfs none /run; mkdir /run/jupyterhub\n"
            f"echo {pids[0]} >/run/jupyterhub/hub.pid; echo {pids[1]} >/run/jupyterhub/proxy.pid\n"
            f"for prefix in {prefix} {other}; do {shell} {installer} --check -u -p $prefix; echo END; done\n"
        )
    of_this, of_other, _ = done.stdout.split("END\n")
    for port in (8000, 8081):
        assert f"ok       port {port}: the hub in {prefix} has it\n" in of_this
        assert f"warning  port {port}: something listens there already\n" in of_other
    assert "warning  port 8001: something listens there already\n" in of_this, "another program has it"


def test_a_clock_before_the_release_is_a_warning(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", date="case $1 in +%s) echo 1000000000 ;; *) echo 2001 ;; esac")
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    assert any(line.startswith("warning") and "2001" in line for line in done.stdout.splitlines())


def test_a_clock_that_nothing_sets_is_a_warning(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", timedatectl="echo no")
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    now = time.strftime("%Y-%m-%d", time.gmtime())
    assert any(line.startswith("warning") and now in line for line in done.stdout.splitlines())


def test_without_root_the_host_is_said_to_be_left_alone(installer: Path, tmp_path: Path) -> None:
    path = fakes(tmp_path / "fake", id="echo 1000")
    done = run(installer, "--check", "-p", tmp_path / "prefix", PATH=path)
    assert any(line.startswith("warning") and "root" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_damaged_package_is_named_and_ends_in_3(installer: Path, tmp_path: Path, shell: str) -> None:
    data = bytearray(installer.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged.sh").write_bytes(data)
    done = run(tmp_path / "damaged.sh", "--check", "-p", tmp_path / "prefix", shell=shell)
    assert done.returncode == 3
    assert "-1" in done.stderr.split('part "')[1], done.stderr
    assert not (tmp_path / "prefix").exists()


# ---- the signature ----


def openssl_signed(file: Path, algorithm: tuple[str, ...]) -> None:
    """Signs ``file`` as a release engineer does with openssl."""
    key = file.with_name("key.pem")
    subprocess.run(["openssl", "genpkey", "-out", key, *algorithm], check=True, capture_output=True)
    public = file.with_name("hubforge.pub")
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    subprocess.run(["openssl", "dgst", "-sha256", "-sign", key, "-out", f"{file}.sig", file], check=True)


def ssh_signed(file: Path, kind: str) -> None:
    """The same with OpenSSH."""
    key = file.with_name("key")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "the release", "-f", key], check=True)
    key.with_name("key.pub").rename(file.with_name("hubforge.pub"))
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", key, file], check=True, capture_output=True)


SIGNERS = {
    "rsa": lambda file: openssl_signed(file, ("-algorithm", "RSA")),
    "ecdsa": lambda file: openssl_signed(file, ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
    "ssh ed25519": lambda file: ssh_signed(file, "ed25519"),
    "ssh rsa": lambda file: ssh_signed(file, "rsa"),
}


@pytest.fixture(scope="module", params=SIGNERS)
def signed(request: pytest.FixtureRequest, installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("signed") / installer.name
    shutil.copyfile(installer, file)
    SIGNERS[request.param](file)
    return file


def signature_line(done: subprocess.CompletedProcess[str]) -> str:
    return next(line for line in done.stdout.splitlines() if " signature: " in line)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signature_by_the_neighbouring_key_is_fine(signed: Path, tmp_path: Path, shell: str) -> None:
    done = run(signed, "--check", "-p", tmp_path / "prefix", shell=shell)
    assert done.returncode == 0
    assert signature_line(done).startswith("ok")
    assert "hubforge.pub" in signature_line(done)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_by_another_key_ends_in_3(installer: Path, tmp_path: Path, signer: str) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        shutil.copyfile(installer, tmp_path / name / installer.name)
        SIGNERS[signer](tmp_path / name / installer.name)
    shutil.copyfile(tmp_path / "theirs/hubforge.pub", tmp_path / "ours/hubforge.pub")
    done = run(tmp_path / "ours" / installer.name, "--check", "-p", tmp_path / "prefix")
    assert done.returncode == 3
    assert "not what was signed" in done.stderr


def test_a_signature_of_another_file_ends_in_3(signed: Path, tmp_path: Path) -> None:
    other = stub.build(tmp_path, stub.newer(tmp_path / "packages", stub.plan(tmp_path / "packages")))
    for name in (f"{signed.name}.sig", "hubforge.pub"):
        shutil.copyfile(signed.with_name(name), tmp_path / name)
    assert run(other, "--check", "-p", tmp_path / "prefix").returncode == 3


def test_a_broken_signature_ends_in_3(signed: Path, tmp_path: Path) -> None:
    for name in (signed.name, "hubforge.pub"):
        shutil.copyfile(signed.with_name(name), tmp_path / name)
    (tmp_path / f"{signed.name}.sig").write_text("nonsense\n")
    assert run(tmp_path / signed.name, "--check", "-p", tmp_path / "prefix").returncode == 3


@pytest.mark.parametrize("missing", ["hubforge.pub", "the tool"])
def test_a_signature_that_cannot_be_checked_is_a_warning(signed: Path, tmp_path: Path, missing: str) -> None:
    for file in signed.parent.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / "bin").mkdir()
    for name in ("/usr/bin", "/bin"):
        for tool in Path(name).iterdir():
            if tool.name not in ("openssl", "ssh-keygen") and not (tmp_path / "bin" / tool.name).exists():
                (tmp_path / "bin" / tool.name).symlink_to(tool)
    if missing == "hubforge.pub":
        (tmp_path / missing).unlink()
    path = os.environ["PATH"] if missing == "hubforge.pub" else str(tmp_path / "bin")
    done = run(tmp_path / signed.name, "--check", "-p", tmp_path / "prefix", shell="/bin/sh", PATH=path)
    assert done.returncode == 0
    assert signature_line(done).startswith("warning")


@pytest.mark.parametrize("shell", SHELLS)
def test_an_ssh_keygen_that_knows_no_signatures_of_files_is_no_damage(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    file = tmp_path / installer.name
    shutil.copyfile(installer, file)
    ssh_signed(file, "ed25519")
    old = fakes(tmp_path / "fake", **{"ssh-keygen": "echo unknown option -- Y >&2; exit 1"})  # as OpenSSH 8.0 does
    done = run(file, "--check", "-p", tmp_path / "prefix", shell=shell, PATH=old)
    assert (done.returncode, done.stderr) == (0, "")
    assert signature_line(done).startswith("warning")
    assert "OpenSSH 8.1 or newer" in signature_line(done)


def test_without_a_signature_that_is_said(installer: Path, tmp_path: Path) -> None:
    assert "none" in signature_line(run(installer, "--check", "-p", tmp_path / "prefix"))
