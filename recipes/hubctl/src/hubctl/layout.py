"""Where things are on the server, below one root."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from hubctl.errors import HubError


@dataclass(frozen=True)
class Layout:
    """The server's paths below ``root``: ``/`` on a real server, a folder of its own for a hub that is being tried."""

    root: Path

    @classmethod
    def current(cls) -> "Layout":
        """The layout that this process works with."""
        return cls.of(os.environ)

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Layout":
        """The layout that ``HUBFORGE_ROOT`` names; the server's own where it is not set."""
        return cls(Path(variables.get("HUBFORGE_ROOT") or "/").absolute())

    @property
    def is_server(self) -> bool:
        """Whether this is the server itself, not a folder that stands for it."""
        return self.root == Path("/")

    def below(self, path: str | PurePath) -> Path:
        """``path``, absolute on the server, as it is below this root."""
        return self.root / str(path).lstrip("/")

    @property
    def settings(self) -> Path:
        """The administrator's settings."""
        return self.below("/etc/jupyterhub/hub.yaml")

    @property
    def config_folder(self) -> Path:
        """The administrator's Python files, executed after the settings."""
        return self.below("/etc/jupyterhub/jupyterhub_config.d")

    @property
    def pam_service(self) -> Path:
        """The hub's own PAM service, where one is installed."""
        return self.below("/etc/pam.d/jupyterhub")

    @property
    def unit(self) -> Path:
        """The systemd unit, where systemd runs the hub."""
        return self.below("/etc/systemd/system/jupyterhub.service")

    @property
    def proxy_unit(self) -> Path:
        """The systemd unit of the proxy, which `proxy_service: true` uses."""
        return self.below("/etc/systemd/system/jupyterhub-proxy.service")

    @property
    def slice(self) -> Path:
        """The systemd slice that the hub, its proxy and users' servers are in."""
        return self.below("/etc/systemd/system/jupyterhub.slice")

    @property
    def tmpfiles(self) -> Path:
        """Has systemd make the folders below ``/run`` at every boot (tmpfiles.d(5))."""
        return self.below("/etc/tmpfiles.d/jupyterhub.conf")

    @property
    def logrotate(self) -> Path:
        """Tells logrotate of the log, where it is installed."""
        return self.below("/etc/logrotate.d/jupyterhub")

    @property
    def state(self) -> Path:
        """The hub's state: database and secrets (0700)."""
        return self.below("/var/lib/jupyterhub")

    @property
    def database(self) -> Path:
        """JupyterHub's database."""
        return self.state / "jupyterhub.sqlite"

    @property
    def cookie_secret(self) -> Path:
        """Signs the login cookies (0600)."""
        return self.state / "cookie_secret"

    @property
    def proxy_token(self) -> Path:
        """What the hub shows to the proxy's API (0600)."""
        return self.state / "proxy_token"

    @property
    def hubctl_token(self) -> Path:
        """What ``hubctl`` shows to the hub's API (0600)."""
        return self.state / "hubctl_token"

    @property
    def metrics_token(self) -> Path:
        """What Prometheus shows to the hub; ``hubctl metrics`` makes it (0600)."""
        return self.state / "metrics_token"

    @property
    def shared_password(self) -> Path:
        """The users' password of ``auth: shared-password`` (0600)."""
        return self.state / "shared_password"

    @property
    def shared_admin_password(self) -> Path:
        """The administrators' password of ``auth: shared-password`` (0600)."""
        return self.state / "shared_admin_password"

    @property
    def secrets(self) -> list[Path]:
        """All of these, each of them a file where it is needed."""
        return [
            self.cookie_secret,
            self.proxy_token,
            self.hubctl_token,
            self.metrics_token,
            self.shared_password,
            self.shared_admin_password,
        ]

    @property
    def installed(self) -> Path:
        """What `hubctl setup` has written, and what was chosen then (``post_install/record.py``)."""
        return self.state / "installed.json"

    @property
    def journal(self) -> Path:
        """What a command that changes several files in one step has still to do (0600)."""
        return self.state / "unfinished.json"

    @property
    def backup_note(self) -> Path:
        """Where a backup that is being made has its work folder, for as long as it does (0600)."""
        return self.state / "backup-work"

    @property
    def homes(self) -> Path:
        """Homes of users who have no account on the host (``auth: shared-password``)."""
        return self.state / "homes"

    @property
    def log(self) -> Path:
        """The hub's and the proxy's log where there is no journal."""
        return self.below("/var/log/jupyterhub/jupyterhub.log")

    @property
    def runtime(self) -> Path:
        """What lives as long as the hub runs."""
        return self.below("/run/jupyterhub")

    @property
    def hub_pid(self) -> Path:
        """The hub's process, written by ``hubctl start``."""
        return self.runtime / "hub.pid"

    @property
    def proxy_pid(self) -> Path:
        """The proxy's process, written by JupyterHub."""
        return self.runtime / "proxy.pid"

    @property
    def proxy_plan(self) -> Path:
        """How the proxy's own service is to start it (0600)."""
        return self.runtime / "proxy.json"

    @property
    def start_lock(self) -> Path:
        """Held while a hub is being started or stopped."""
        return self.runtime / "hub.lock"

    @property
    def tickets(self) -> Path:
        """One folder a user, with that user's Kerberos ticket."""
        return self.runtime / "tickets"

    @property
    def channel(self) -> Path:
        """The server's own copy of the channel, filled by ``hubctl channel add``."""
        return self.below("/srv/conda/hubforge")

    @property
    def shared(self) -> Path:
        """What users share among each other."""
        return self.below("/shared/jupyterhub")


def environment() -> Path:
    """The environment that this program runs from: ``PREFIX/envs/jupyterhubenv``."""
    return Path(sys.prefix)


def base_prefix() -> Path:
    """The base prefix above that environment; the environment itself where it is not one of conda's ``envs``."""
    return environment().parent.parent if environment().parent.name == "envs" else environment()


def base_program(name: str) -> Path:
    """One of base's programs that are Python's: `python` or `conda`.

    Raises:
        HubError: it, or the Python that it needs, is not there.
    """
    programs = base_prefix() / "bin"
    for path in (programs / "python", programs / name):
        if not path.exists():
            do = "the installer of this release puts it back: bash hub-installer.sh -f"
            raise HubError(f"{path} is not there", do)
    return programs / name


def shipped(name: str) -> Path:
    """A file or folder that the package ``hubctl`` carries: ``post_install`` or one below ``config``."""
    return environment() / "share" / "hubforge" / name


def hub_config() -> Path:
    """JupyterHub's configuration file: the administrator's in the environment, else the shipped one."""
    installed = environment() / "jupyterhub_config.py"
    return installed if installed.exists() else shipped("config") / installed.name
