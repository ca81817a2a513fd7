"""Resolving names to hash-pinned requirement files: ``uv pip compile``, with the indices that the machine's pip has.

uv does not read pip's configuration, so it is handed over in a private configuration file: an index's address may hold
credentials, which must not stand in a command line.
"""

import os
import re
import shutil
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from optparse import Values
from pathlib import Path
from subprocess import PIPE
from urllib.parse import urlsplit
from urllib.request import url2pathname

from forge import processes
from forge.errors import ForgeError
from forge.files import write_text
from forge.sources.pipindex import machine_options
from forge.target import PLATFORMS, SERIES

TARGET = ("--python-version", SERIES, "--python-platform", f"x86_64-{PLATFORMS[0].removesuffix('_x86_64')}")
BUILD_MACHINE = ("--python-version", "3.11", "--universal")
HEADER = "# Written by 'make lock' from {name}.in: change that file, not this one.\n"


class NoSolutionError(ForgeError):
    """No set of versions fulfils the names and constraints."""


@dataclass(frozen=True)
class Job:
    """One requirement file to make.

    Args:
        name: ``NAME.in`` is read, ``NAME.txt`` is written.
        platform: uv's options for what it is resolved for.
        with_dependencies: whether what the names need is pinned too.
    """

    name: str
    platform: tuple[str, ...] = TARGET
    with_dependencies: bool = True


def compile_lock(
    job: Job,
    folder: Path,
    site: str,
    constraints: Sequence[str],
    options: Values | None = None,
) -> None:
    """Resolves ``folder/NAME.in`` and ``site`` (further requirement lines) and writes ``folder/NAME.txt``.

    Args:
        constraints: requirements that hold for a project when it is needed.
        options: pip's options; the machine's own by default.

    Raises:
        NoSolutionError: what is asked for does not go together; with uv's own words.
        ForgeError: an index does not answer, or uv fails in another way.
    """
    with tempfile.TemporaryDirectory(prefix="hubforge-lock-") as scratch:
        work = Path(scratch)
        options = options or machine_options()
        shutil.copyfile(folder / f"{job.name}.in", work / f"{job.name}.in")
        (work / "site.in").write_text(site)
        (work / "other-environments.txt").write_text("".join(f"{line}\n" for line in constraints))
        command = [*_command(job), *_machine_constraints(options, work)]
        _write_private(work / "uv.toml", configuration(options))
        done = processes.run(command, cwd=work, env=_environment(options), stdout=PIPE, stderr=PIPE)
        if done.returncode:
            error = NoSolutionError if "No solution found" in done.stderr else ForgeError
            raise error(f"{job.name}.in could not be locked:\n{done.stderr.strip()}")
        text = without_constraint_files((work / "out.txt").read_text())
        write_text(folder / f"{job.name}.txt", HEADER.format(name=job.name) + text)


def without_constraint_files(lock: str) -> str:
    """uv's output without the files that a project's version was constrained by, which are gone a moment later.

    A single reason then stands on the line of its ``via``, as uv has it: locking one project moves no other line.
    """
    kept = "".join(line for line in lock.splitlines(keepends=True) if not re.match(r" +#( via)? +-c \S+$", line))
    return re.sub(r"^( +# via)\n +#  ( .+\n)(?! +#   )", r"\1\2", kept, flags=re.M)


def configuration(options: Values) -> str:
    """uv's configuration file for the indices that ``options`` (pip's) name (docs: uv, "Configuration files")."""
    lines = ['index-strategy = "unsafe-best-match"', 'python-downloads = "never"']
    if options.no_index:
        lines.append("no-index = true")
    if options.trusted_hosts:
        lines.append(f"allow-insecure-host = {_toml(options.trusted_hosts)}")
    if options.proxy:
        lines += [f"http-proxy = {_quoted(options.proxy)}", f"https-proxy = {_quoted(options.proxy)}"]
    links = [link for link in options.find_links if _exists(link)]
    if links:
        lines.append(f"find-links = {_toml(links)}")
    if not options.no_index:
        lines += [f"[[index]]\nurl = {_quoted(url)}" for url in options.extra_index_urls if _exists(url)]
        lines.append(f"[[index]]\nurl = {_quoted(options.index_url)}\ndefault = true")
    return "\n".join(lines) + "\n"


def _command(job: Job) -> list[str]:
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    command = [str(uv), "pip", "compile", "--config-file", "uv.toml", "--quiet", "--no-header", "--generate-hashes"]
    command += ["--emit-build-options", "--no-strip-extras", *job.platform, "--output-file", "out.txt"]
    if not job.with_dependencies:
        command.append("--no-deps")
    return [*command, "--constraints", "other-environments.txt", f"{job.name}.in", "site.in"]


def _machine_constraints(options: Values, work: Path) -> Sequence[str]:
    """pip's own constraint files, copied so that no path of this machine gets into the lock's comments."""
    arguments = []
    for number, constraint in enumerate(options.constraints):
        if Path(constraint).is_file():
            name = f"machine-constraints-{number}.txt"
            shutil.copyfile(constraint, work / name)
            arguments += ["--constraints", name]
    return arguments


def _environment(options: Values) -> dict[str, str]:
    """The machine's, without what would tell uv of other indices than pip's."""
    kept = ("UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_") or key in kept}
    if options.cert:
        environment["SSL_CERT_FILE"] = options.cert
    if options.client_cert:
        environment["SSL_CLIENT_CERT"] = options.client_cert
    return environment


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _exists(place: str) -> bool:
    """pip passes over a local index or folder that is not there; uv stops."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).exists()
    return bool(parts.scheme) or Path(place).exists()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _toml(values: Sequence[str]) -> str:
    return "[" + ", ".join(map(_quoted, values)) + "]"
