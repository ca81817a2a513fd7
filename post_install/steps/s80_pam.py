"""How the host's PAM checks a login to the hub."""

from post_install.host import Host, Step, needs_host
from post_install.messages import message
from post_install.record import Default, load

PATH = "/etc/pam.d/jupyterhub"

VARIANTS = {
    # The stack that a distribution keeps for all services; RHEL's for services that a password reaches from afar.
    "/etc/pam.d/common-auth": "pam-jupyterhub.debian",
    "/etc/pam.d/password-auth": "pam-jupyterhub.rhel",
}


def check(host: Host) -> list[str]:
    """Whether the service file is there, and as new as what is shipped."""
    record = load(host)
    return _default(host).check(host, record)


def ensure(host: Host) -> list[str]:
    """Writes the service file for this distribution; an edited one stays."""
    record = load(host)
    changes = _default(host).ensure(host, record)
    record.save(host)
    return changes


def _variant(host: Host) -> str:
    return next((name for stack, name in VARIANTS.items() if host.at(stack).exists()), "")


def _default(host: Host) -> Default:
    return Default(PATH, (host.config / _variant(host)).read_bytes())


def _unless(host: Host) -> str:
    return needs_host(host) or ("" if _variant(host) else message("no_pam_stack"))


STEP = Step("pam", check, ensure, _unless)
