"""Running the Kerberos programs: as which user, with what environment, for how long."""

import asyncio
import contextlib
import json
import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_FOLDERS = (Path("/usr/bin"), Path("/bin"))


@dataclass(frozen=True)
class Account:
    """A local account."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, name: str) -> "Account":
        """The account called ``name``.

        Raises:
            KeyError: there is none.
        """
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True)
class Result:
    """How a program ended. ``code`` alone says whether it succeeded: programs warn on stderr, too."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Its last line on stderr, for a log."""
        return (self.stderr.strip().splitlines() or [f"exit code {self.code}"])[-1]


def find(name: str) -> str:
    """The path of a program: of this Python's environment if every user may run it, else of the system.

    A path is itself.

    Raises:
        FileNotFoundError: neither has it.
    """
    if Path(name).is_absolute():
        return name
    for folder in (Path(sys.prefix) / "bin", *SYSTEM_FOLDERS):
        path = folder / name
        if path.is_file() and _runs_for_everyone(path):
            return str(path)
    raise FileNotFoundError(f"{name} is neither in {sys.prefix}/bin nor in /usr/bin")


def _runs_for_everyone(path: Path) -> bool:
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.resolve().parents))


async def run(
    *command: str,
    account: Account | None = None,
    stdin: bytes | None = None,
    krb5_conf: str = "",
    keytab: str = "",
    limit: float,
) -> Result:
    """Runs a program with an environment that holds nothing of the hub's.

    Args:
        command: the program's name, looked up by ``find``, and its arguments. Never a secret: others can read them.
        account: whose rights it gets, without supplementary groups; the hub's own when None.
        stdin: what it reads; this is the way for secrets.
        krb5_conf: ``KRB5_CONFIG``, where it is not the library's default.
        keytab: ``KRB5_KTNAME``, likewise.
        limit: seconds until it is killed.

    Raises:
        TimeoutError: it was killed.
        FileNotFoundError: there is no such program.
    """
    process = await asyncio.create_subprocess_exec(
        *_become(account),
        find(command[0]),
        *command[1:],
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(krb5_conf, keytab),
        cwd="/",
        umask=0o077,
        start_new_session=True,  # no terminal that it could ask instead
    )
    try:
        async with asyncio.timeout(limit):
            out, err = await process.communicate(stdin)
    finally:
        await _end(process)
    assert process.returncode is not None
    return Result(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _become(account: Account | None) -> list[str]:
    """The command before the command that gives it the account's rights."""
    if account is None or os.geteuid() != 0:
        return []
    # setpriv(1), not the arguments of Python's own: with them it copies the hub's memory map for each program (it
    # takes fork instead of vfork), and for so long the hub answers nobody
    return [find("setpriv"), f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--"]


def _environment(krb5_conf: str, keytab: str) -> dict[str, str]:
    # plain texts and plain dates, whatever the host's language and time zone
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC0"}
    if krb5_conf:
        env["KRB5_CONFIG"] = krb5_conf
    if keytab:
        env["KRB5_KTNAME"] = f"FILE:{keytab}"
    return env


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


HELPERS = Path(__file__).parent / "helpers"


async def ask(helper: str, question: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Runs one of the programs in ``helpers``: a question in, an answer out, neither where others could read it.

    Args:
        options: as for ``run``.

    Raises:
        TimeoutError: it was killed.
        OSError: it broke; its last words.
    """
    command = (sys.executable, "-I", str(HELPERS / f"{helper}.py"))
    result = await run(*command, stdin=json.dumps(question).encode(), **options)
    if result.code:
        raise OSError(f"{helper}: {result.said}")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer
