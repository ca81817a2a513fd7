"""The image's Debian: a minimal root file system out of the mirror that this machine's own apt sources name."""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE

from forge import image_keystore, processes
from forge.errors import ForgeError
from forge.files import replacing
from forge.paths import cache_dir
from forge.progress import Step
from forge.sources.aptsources import as_deb822, derive, read_machine

SUITE = "bookworm"
"""The Debian release with Java 17, the newest that Spark 3.5 runs on."""

PACKAGES = ("ca-certificates", "openjdk-17-jre-headless", "tini", "unixodbc")

_GRACE = 20.0
"""Seconds that an interrupted mmdebstrap has to remove the root file system that it was filling."""

_APT = Path("/etc/apt")

# Folders stay: alternatives are registered in them. Licences stay, too.
_LEFT_OUT = ("/usr/share/man/*/*", "/usr/share/doc/*/*", "/usr/share/info/*", "/usr/share/locale/*/*")
_KEPT = ("/usr/share/doc/*/copyright",)

_AS_THIS_MACHINE = """
for own in auth.conf auth.conf.d; do [ ! -e "/etc/apt/$own" ] || cp -r "/etc/apt/$own" "$1/etc/apt/"; done
apt-config dump | grep -E '^Acquire::(http|https)::' >"$1/etc/apt/apt.conf.d/00this-machine" || true
"""
"""The way to the mirrors, for apt of the new root: proxies and logins. They do not stay there."""

_FORGET_IT = 'rm -rf "$1"/etc/apt/auth.conf "$1"/etc/apt/auth.conf.d/* "$1"/etc/apt/apt.conf.d/00this-machine'

_HOOK = """
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
"$PYTHON" "$KEYSTORE" "$1"/etc/ssl/certs/java/cacerts "$SOURCE_DATE_EPOCH"
rm -rf "$1"/var/log/* "$1"/var/cache/* "$1"/var/lib/apt/lists/* "$1"/run/*
: >"$1"/etc/machine-id
"""
"""Nothing of the machine that built it, and nothing that differs from run to run."""


def root_file_system(version: str, epoch: int) -> Path:
    """The tar archive of the root file system, made once a release and kept in the cache.

    Args:
        version: the release; another one takes Debian's updates.
        epoch: the date of what Debian's scripts make, in seconds since 1970.

    Raises:
        ForgeError: mmdebstrap is missing, or could not do it; with its last words.
    """
    recipe = "\n".join([version, SUITE, *PACKAGES, *_LEFT_OUT, *_KEPT, _HOOK])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    archive = cache_dir("rootfs") / f"notebook-{SUITE}-{key}.tar"
    if archive.exists():
        return archive
    if shutil.which("mmdebstrap") is None:
        raise ForgeError("mmdebstrap is missing", "As root: apt-get install -y --no-install-recommends mmdebstrap")
    with Step(f"Debian {SUITE} for the image", 1) as step, replacing(archive) as temporary:
        _bootstrap(temporary, epoch)
        step.done(SUITE)
    return archive


def _bootstrap(target: Path, epoch: int) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".sources") as sources:
        sources.write(_sources())
        sources.flush()
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
        options += [f"--dpkgopt=path-include={pattern}" for pattern in _KEPT]
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}"]
        options += [f"--setup-hook={_AS_THIS_MACHINE}", f"--customize-hook={_FORGET_IT}", f"--customize-hook={_HOOK}"]
        _run([*command, *options, SUITE, str(target), sources.name], epoch)


def _sources() -> str:
    """The machine's own sources, as deb822, for binary packages of the image's release."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    entries = derive(read_machine(_APT / "sources.list", _APT / "sources.list.d"), codename, SUITE)
    if not entries:
        raise ForgeError(f"this machine's apt sources name no Debian {codename}", "Add a mirror to /etc/apt.")
    return as_deb822(entries, "deb")


def _run(command: Sequence[str], epoch: int) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"}
    environment |= {"PYTHON": sys.executable, "KEYSTORE": image_keystore.__file__}
    done = processes.run(command, grace=_GRACE, stdout=PIPE, stderr=PIPE, env=environment)
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise ForgeError(f"mmdebstrap could not make a Debian {SUITE}:\n{tail}", "Check that apt-get update works.")
