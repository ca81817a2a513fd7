"""Debian's source indices and pool files, fetched by the machine's own apt with a private state folder.

apt keeps its configuration (proxies, credentials, certificates, keyrings); only the list of sources and the folders it
writes to are ours, so that nothing under ``/etc`` or ``/var`` changes and no root is needed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from urllib.parse import quote

from forge import processes
from forge.errors import ForgeError
from forge.files import write_text
from forge.locking import locked
from forge.paths import cache_dir
from forge.progress import say
from forge.sources.aptsources import as_deb822, derive, logins, read_machine, without_logins
from forge.sources.cache import GoneError, UnreachableError

HELPER = Path("/usr/lib/apt/apt-helper")
_NOT_THERE = ("404 ", "410 ", "File not found")

_CONFIGURATION = """\
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
// the files land in a folder that apt's own unprivileged user cannot write to
APT::Sandbox::User "";
Acquire::Retries "2";
Acquire::http::Timeout "{patience}";
Acquire::https::Timeout "{patience}";
// a copy of what was verified, and no link into a mirror on the disk (file:), where it may change
Acquire::GzipIndexes "true";
// the hooks are for the machine's own state
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True)
class Apt:
    """apt with a private state in ``folder`` that sees the sources of the Debian release ``suite``.

    Args:
        patience: seconds without a byte after which a mirror counts as hanging; apt tries three times.
    """

    folder: Path
    suite: str
    patience: int = 30
    logins: list[str] = field(default_factory=list, repr=False)
    """Of mirrors whose address on this machine holds a user and a password: lines as in apt_auth.conf(5)."""

    @classmethod
    def of_machine(cls, suite: str) -> "Apt":
        """As the machine's apt is set up, with its state in the cache."""
        apt = cls(cache_dir("apt") / suite, suite)
        apt.set_up(*_machine_lists(), Path("/etc/os-release"))
        return apt

    def set_up(self, source_list: Path, source_parts: Path, os_release: Path) -> None:
        """Writes the private configuration.

        Raises:
            ForgeError: the machine is not Debian, or its apt has no source of its own release.
        """
        codename = _codename(os_release)
        entries = derive(read_machine(source_list, source_parts), codename, self.suite)
        if not any(self.suite in entry.suites for entry in entries):
            raise ForgeError(
                f"apt on this machine has no source for {codename}, so there is no mirror to take {self.suite} from",
                f"Add the Debian mirror to {source_parts}, as for any Debian {codename} machine.",
            )
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.logins[:] = [login for entry in entries for login in logins(entry)]
        write_text(self.folder / "debian.sources", as_deb822(map(without_logins, entries)))
        write_text(self.folder / "apt.conf", _CONFIGURATION.format(folder=self.folder, patience=self.patience))

    @property
    def mirrors(self) -> list[str]:
        """The repositories' addresses, as the machine's configuration gives them."""
        text = (self.folder / "debian.sources").read_text()
        lines = (line.split()[1:] for line in text.splitlines() if line.startswith("URIs:"))
        return list(dict.fromkeys(uri for line in lines for uri in line))

    def update(self) -> None:
        """Fetches the source indices; apt verifies each by its release file's signature.

        Raises:
            UnreachableError: the release's own index could not be had and verified; others missing are only said.
        """
        with locked(self.folder / "lock", "another build reads Debian's indices; waiting"):
            done = self._run("apt-get", "update")
            trusted = {i["Release"] for i in self._indices() if i["Trusted"] == "yes" and Path(i["Filename"]).exists()}
        problems = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        if self.suite not in trusted:
            raise UnreachableError("\n  ".join([f"apt could not read the sources of Debian {self.suite}:", *problems]))
        for line in problems:
            say(f"apt: {line}")

    def stanzas(self, packages: set[str]) -> Iterator[str]:
        """The index paragraphs of the source packages, from the verified indices only."""
        for index in self._indices():
            if index["Trusted"] != "yes" or not Path(index["Filename"]).exists():
                continue
            text = self._run(str(HELPER), "cat-file", index["Filename"]).stdout
            for stanza in text.split("\n\n"):
                if stanza.removeprefix("Package: ").partition("\n")[0] in packages:
                    yield stanza

    def download(self, path: str, target: Path) -> None:
        """Fetches the pool file ``path`` (``pool/main/z/zlib/…``) from the first mirror that has it.

        Raises:
            GoneError: every mirror answered that it does not have it.
            UnreachableError: a mirror did not answer, or not in time.
        """
        failures = []
        for mirror in self.mirrors:
            done = self._run(str(HELPER), "-q", "download-file", f"{mirror}/{quote(path)}", str(target))
            if done.returncode == 0:
                _own(target)
                return
            failures.append((mirror, done.stdout + done.stderr))
        name = path.rpartition("/")[2]
        for mirror, output in failures:
            if not any(sign in output for sign in _NOT_THERE):
                raise UnreachableError(f"{name} could not be fetched from {mirror}:\n{output.strip()}")
        raise GoneError(f"{name} is no longer on the mirror ({', '.join(self.mirrors)})")

    def _indices(self) -> Iterator[dict[str, str]]:
        output = self._run("apt-get", "indextargets", "Created-By: Sources").stdout
        for stanza in output.split("\n\n"):
            if stanza.strip():
                yield dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        with self._credentials() as options:
            configured = [program, "-c", str(self.folder / "apt.conf"), *options, *arguments]
            return processes.run(configured, stdout=PIPE, stderr=PIPE, env=environment)

    @contextmanager
    def _credentials(self) -> Iterator[list[str]]:
        """Options that make apt see the logins, beside the machine's own ``auth.conf``: nobody else sees them."""
        if not self.logins:
            yield []
            return
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            own = Path("/etc/apt/auth.conf")
            lines = [own.read_text()] if os.access(own, os.R_OK) else []
            file.write("\n".join([*lines, *self.logins]) + "\n")
            file.flush()
            yield ["-o", f"Dir::Etc::netrc={file.name}"]


def _own(target: Path) -> None:
    """A copy where apt made a link into a mirror on the disk (``file:``), which may go away."""
    if target.is_symlink():
        source = target.resolve()
        target.unlink()
        shutil.copyfile(source, target)


def _machine_lists() -> tuple[Path, Path]:
    """Where apt reads its sources: ``Dir::Etc::sourcelist`` and ``Dir::Etc::sourceparts``."""
    try:
        done = subprocess.run(
            ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        raise ForgeError(
            "apt-config is not on PATH", "Build on a Debian machine: Debian's sources come by apt."
        ) from None
    values = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return Path(values["LIST"].strip("'")), Path(values["PARTS"].strip("'"))


def _codename(os_release: Path) -> str:
    values = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    codename = values.get("VERSION_CODENAME", "").strip('"')
    if values.get("ID", "").strip('"') != "debian" or not codename:
        raise ForgeError("This machine is not a release of Debian", "Build on Debian 12 or later.")
    return codename
