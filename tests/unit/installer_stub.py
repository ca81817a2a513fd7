"""A small installer for tests: the real header, helper and linking, around made-up packages.

The package ``python`` holds a script that runs this test's own Python with its py-rattler, so that linking is real.
"""

import os
import pty
import random
import select
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from forge import condapkg
from forge.condapkg import PLACEHOLDER, Index, Member
from forge.installer.assemble import Plan, assemble
from forge.installer.carried import Environment
from tests.waiting import wait_for

EPOCH = 1_700_000_000
SHELLS = ("dash", "bash", "busybox sh")

CONDARC = "channels: [hubforge]\nchannel_alias: file:///srv/conda\n"
CHANNEL = "file:///srv/conda/hubforge"

POST_INSTALL = """\
{ echo "$PWD"; echo "$INSTALLER_UNATTENDED $INSTALLER_NAME $INSTALLER_VER"; } > host-step
"""

CONDA = (
    Member("share/conda", b"conda\n"),
    Member("bin/conda", b'#!/bin/sh\necho "$*" >"$HOME/conda-was-run"\n', executable=True),
)


def package(folder: Path, index: Index, members: Iterable[Member]) -> Path:
    """A package in ``folder``/SUBDIR."""
    return condapkg.write(folder / index.subdir, index, members, epoch=EPOCH)


def python(folder: Path, before: str = "") -> Path:
    """``python``; the shell line ``before`` is run first, to make it fail or to end the installer.

    It is this machine's Python, which must not load the made-up libraries that the installer names.
    """
    own = f"unset LD_LIBRARY_PATH; PYTHONPATH={sysconfig.get_path('purelib')}"
    script = f'#!/bin/sh\n{before}\n{own} exec {sys.executable} "$@"\n'
    index = Index("python", "3.13.5", "0_cp313", subdir="linux-64", depends=("libz",))
    program = Member("bin/python3.13", script.encode(), executable=True)
    return package(folder, index, [program, Member("bin/python", link="python3.13")])


def before_linking(folder: Path, line: str) -> dict[str, str]:
    """An environment in which the shell line ``line`` is run before a new prefix's environments are laid down.

    It comes with the command that makes the folder of the second one, and is run by whoever looks for that.
    """
    folder.mkdir(exist_ok=True)
    command = folder / "mkdir"
    script = f'case $* in\n*/envs/jupyterhubenv)\n{line}\n;;\nesac\nexec {shutil.which("mkdir")} "$@"\n'
    command.write_text(f"#!/bin/sh\n{script}")
    command.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def noise(size: int, seed: int) -> bytes:
    """Bytes that do not compress, the same ones every time."""
    return random.Random(seed).randbytes(size)


def demo(folder: Path, version: str) -> Path:
    """``demo``: a script, a library, links and the prefix in a text and in a binary file."""
    prefix = PLACEHOLDER.encode()
    members = [
        Member("bin/demo", b"#!" + prefix + b"/bin/python\nprint(1)\n", executable=True, file_mode="text"),
        Member("lib/libdemo.so.1", b"\x7fELF\0" + prefix + b"/etc\0rest", file_mode="binary"),
        Member("lib/libdemo.so", link="libdemo.so.1"),
        Member(f"share/demo/{version}/a file with spaces", f"{version}\n".encode()),
        *(Member(f"share/demo/data/{number}", noise(2000, number)) for number in range(200)),
    ]
    return package(folder, Index("demo", version, "h0_0", subdir="linux-64", depends=("python >=3.13",)), members)


def plan(folder: Path, before_python: str = "") -> Plan:
    """Two environments of made-up packages, which are written to ``folder``."""
    index = Index("py-rattler", "0.28.0", "py_0", noarch="python", depends=("python >=3.13",))
    base = (
        python(folder, before_python),
        package(folder, index, [Member("site-packages/stub_of_rattler/__init__.py", b"")]),
        package(folder, Index("libz", "1.3", "h1_0", subdir="linux-64"), [Member("lib/libz.so.1", noise(90_000, 1))]),
        package(folder, Index("conda", "24.7.1", "py_0"), CONDA),
    )
    hub = (
        base[0],
        base[2],
        demo(folder, "1.0"),
        package(folder, Index("only-in-1.0", "1.0", "0"), [Member("share/old", b"")]),
    )
    return Plan(
        name="Hubforge",
        version="2026.11",
        epoch=EPOCH,
        license_text="Do what you like.\n",
        default_prefix="/opt/miniconda3",
        channel_name="hubforge",
        channel_url=CHANNEL,
        condarc=CONDARC,
        environments=(
            Environment("base", ("python 3.13.*", "conda", "py-rattler"), base),
            Environment("jupyterhubenv", ("demo",), hub),
        ),
        post_install=POST_INSTALL,
    )


def newer(folder: Path, old: Plan) -> Plan:
    """The next release: demo 2.0 instead of 1.0, one package gone, another ``.condarc``."""
    base, hub = old.environments
    packages = (*hub.packages[:2], demo(folder, "2.0"))
    return replace(
        old,
        version="2026.12",
        condarc=CONDARC + "solver: classic\n",
        environments=(base, replace(hub, packages=packages)),
    )


def build(folder: Path, of: Plan | None = None, name: str = "hub-installer.sh") -> Path:
    """An installer file in ``folder``."""
    target = folder / name
    assemble(of or plan(folder / "packages"), target)
    return target


def run(
    installer: Path, *arguments: str | Path, shell: str = "sh", answers: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the installer under ``shell`` with ``answers`` on its standard input; its log is kept only if asked for."""
    return subprocess.run(
        [*shell.split(), str(installer), "--log", "/dev/null", *map(str, arguments)],
        input=answers,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,  # a damaged one may hang
    )


CTRL_C = "\x03"
"""A shell that gets it between its question and read(2) goes on to read, where people press it once more."""


def _reads(process: int) -> bool:
    """Whether it waits for what comes by its standard input (proc_pid_syscall(5)): in read(2), 0, or in poll(2), 7."""
    return Path(f"/proc/{process}/syscall").read_text().startswith(("0 0x0 ", "7 "))


def on_a_terminal(command: list[str], dialogue: Sequence[tuple[str, str]] = ()) -> tuple[int, str]:
    """Runs ``command`` with a terminal of its own, where each answer is typed when its question is shown.

    Returns:
        Its exit code, and what was shown.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    shown, waiting = b"", list(dialogue)
    while select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux reports the end of a terminal as an error
            break
        shown += piece
        if waiting and waiting[0][0].encode() in shown:
            answer = waiting.pop(0)[1]
            if answer == CTRL_C:
                wait_for("the shell's read", partial(_reads, child), 60)
            os.write(terminal, answer.encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def fakes(folder: Path, **commands: str) -> str:
    """A PATH on which each of ``commands`` is a script."""
    folder.mkdir()
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def mounted(script: str) -> subprocess.CompletedProcess[str]:
    """Runs ``script`` where it may mount what it wants, and nobody else sees it."""
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return subprocess.run(["unshare", "--mount", *rights, "sh", "-euc", script], capture_output=True, text=True)


def tree(folder: Path) -> dict[str, str]:
    """What lies below ``folder``: kind, mode and content or target of everything that two installations share.

    Dates differ from one installation to the next, and stand in the history and in the marker.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link {path.readlink()}"
        elif path.is_dir():
            found[name] = f"folder {path.stat().st_mode:o}"
        elif name.endswith(("conda-meta/history", "installed.json")):
            found[name] = "dated"
        else:
            found[name] = f"{path.stat().st_mode:o} {path.read_bytes()!r}"
    return found


def taken(folder: Path) -> int:
    """Bytes that a disk of blocks of 4 KiB gives away for ``folder``: each file once, and a block for each folder."""
    files = {path.lstat().st_ino: path.lstat() for path in folder.rglob("*") if not path.is_symlink()}
    return sum(4096 if status.st_mode & 0o40000 else -(-status.st_size // 4096) * 4096 for status in files.values())
