"""``make hub``: the product tried on the build machine, without Docker, KDC or account.

The installer runs with the network cut off and without root's rights, into a scratch prefix. The hub then serves
`auth: shared-password` with `spawner: local`: every server runs as the user that the hub itself runs as.
"""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from forge import build, processes
from forge.errors import ForgeError
from forge.files import sha256_of
from forge.locking import locked
from forge.paths import cache_dir, public_dir
from forge.progress import say


@dataclass(frozen=True)
class Scratch:
    """The folder of the scratch hub: a prefix, the root that stands for the host's ``/``, and who owns both."""

    folder: Path
    user: pwd.struct_passwd

    @property
    def prefix(self) -> Path:
        """The base prefix."""
        return self.folder / "prefix"

    @property
    def root(self) -> Path:
        """What the hub takes for ``/``: settings, state, logs."""
        return self.folder / "root"

    @property
    def hubctl(self) -> Path:
        """The installed command."""
        return self.prefix / "envs" / "jupyterhubenv" / "bin" / "hubctl"

    @property
    def settings(self) -> Path:
        """The hub's settings."""
        return self.root / "etc" / "jupyterhub" / "hub.yaml"

    def run(self, *command: str | Path, offline: bool = False) -> int:
        """Runs ``command`` as the owner, with nothing of our environment but the path; gives its exit code."""
        wrapper: list[str] = []
        if offline:
            wrapper = ["unshare", "--net", "--"]
            if os.geteuid() != 0:
                wrapper[1:1] = ["--user", "--map-current-user"]
        if os.geteuid() == 0:
            identity = [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
            wrapper += ["setpriv", *identity, "--"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return processes.run([*wrapper, *command], env=environment, cwd=self.folder).returncode


def default_scratch() -> Scratch:
    """The one of `make hub`; its folder is made when it is missing."""
    user = owner()
    return Scratch(public_dir("hub", user), user)


def owner() -> pwd.struct_passwd:
    """Whose a scratch hub is: whoever makes it, but `nobody` where that is root, so that no notebook runs as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def start(scratch: Scratch, settings: str = "") -> None:
    """Builds, installs and starts the hub; prints its address and how to log in.

    Args:
        scratch: where.
        settings: what its hub.yaml says beside authenticator and spawner, instead of the shipped one.

    Raises:
        ForgeError: a step failed, by name.
    """
    _check_cut_off(scratch)
    installer = build.make_installer()
    with locked(cache_dir("build") / "hub.lock", "another `make hub` is at work; waiting"):
        _install(scratch, installer)
        _run(scratch, "setup", "--auth", "shared-password", "--spawner", "local")
        if settings:
            scratch.settings.write_text(f"auth: shared-password\nspawner: local\n{settings}")
        _run(scratch, "start")  # prints the address, and where the password is
    print("The certificate is self-signed: the browser asks once. `make hub-stop` ends the hub.")


def stop(scratch: Scratch) -> None:
    """Stops the hub; says so when there is none."""
    if scratch.hubctl.exists():
        _run(scratch, "stop")
    else:
        say("There is no hub of `make hub` here.")


def _check_cut_off(scratch: Scratch) -> None:
    """Whether the network can be cut off, asked before the long build."""
    if scratch.run("true", offline=True):
        raise ForgeError(
            "the network can't be cut off for the installer: see what `unshare` says above",
            "An ordinary user needs user namespaces (sysctl user.max_user_namespaces), or root makes the hub; "
            "root in a container needs the capability SYS_ADMIN.",
        )


def _install(scratch: Scratch, installer: Path) -> None:
    """Installs where the scratch prefix is not already this very installer's."""
    marker = scratch.folder / "installed.sha256"
    wanted = sha256_of(installer)
    if marker.exists() and marker.read_text() == wanted:
        return
    if scratch.hubctl.exists():
        _run(scratch, "stop")
    marker.unlink(missing_ok=True)
    shutil.rmtree(scratch.prefix, ignore_errors=True)
    copy = scratch.folder / installer.name
    shutil.copyfile(installer, copy)
    say(f"Installing {installer.name} into {scratch.prefix}, without network")
    code = scratch.run("bash", copy, "-b", "-s", "-p", scratch.prefix, offline=True)
    if code:
        raise ForgeError(f"{installer.name} ended with exit code {code}", "What it printed above says why.")
    marker.write_text(wanted)


def _run(scratch: Scratch, *arguments: str) -> None:
    code = scratch.run(scratch.hubctl, "--root", scratch.root, *arguments)
    if code:
        raise ForgeError(f"`hubctl {' '.join(arguments)}` ended with exit code {code}", "It says why above.")
