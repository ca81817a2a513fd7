"""logrotate's file for the hub's log, where logrotate is installed."""

from post_install.host import Host, Step, needs_host
from post_install.messages import message
from post_install.record import Default, load

PATH = "/etc/logrotate.d/jupyterhub"
PROGRAM = "/usr/sbin/logrotate"


def check(host: Host) -> list[str]:
    """Whether it is there, and as new as what is shipped."""
    return _default(host).check(host, load(host))


def ensure(host: Host) -> list[str]:
    """Writes it; an edited one stays."""
    record = load(host)
    changes = _default(host).ensure(host, record)
    record.save(host)
    return changes


def _default(host: Host) -> Default:
    return Default(PATH, (host.config / "logrotate-jupyterhub").read_bytes())


def _unless(host: Host) -> str:
    return needs_host(host) or ("" if host.at(PROGRAM).exists() else message("no_logrotate"))


STEP = Step("logrotate", check, ensure, _unless)
