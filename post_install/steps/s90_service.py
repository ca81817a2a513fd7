"""The systemd units, their slice, and their folder below ``/run``."""

from post_install.host import UNIT_PATH, Host, Step, needs_host
from post_install.messages import message
from post_install.record import Default, Record, load

UNIT = "jupyterhub.service"
PROXY_UNIT = "jupyterhub-proxy.service"
SLICE = "jupyterhub.slice"
PROXY_PATH = f"/etc/systemd/system/{PROXY_UNIT}"
SLICE_PATH = f"/etc/systemd/system/{SLICE}"
TMPFILES_PATH = "/etc/tmpfiles.d/jupyterhub.conf"


def check(host: Host) -> list[str]:
    """Whether the files are there, and as new as what is shipped."""
    record = load(host)
    problems = [problem for default in _defaults(host) for problem in default.check(host, record)]
    if not _was_enabled(record):
        problems.append(message("never_enabled", unit=UNIT))
    return problems


def ensure(host: Host) -> list[str]:
    """Writes the files, tells systemd, and enables the hub's unit once: an administrator who disables it is obeyed.

    It is not started: the settings want to be read first.
    """
    record = load(host)
    changes = [change for default in _defaults(host) for change in default.ensure(host, record)]
    if host.is_real and (changes or not _was_enabled(record)):
        host.must("systemctl", "daemon-reload")
        host.must("systemd-tmpfiles", "--create", TMPFILES_PATH)
    if not _was_enabled(record):
        host.must("systemctl", *([] if host.is_real else [f"--root={host.root}"]), "enable", UNIT)
        record.choices["service"] = "enabled"
        changes.append(message("enabled", unit=UNIT))
    record.save(host)
    return changes


def _was_enabled(record: Record) -> bool:
    return record.choices.get("service") == "enabled"


def _defaults(host: Host) -> list[Default]:
    # `%` starts a specifier in a unit file (systemd.unit(5)).
    env = str(host.env).replace("%", "%%")
    units = {UNIT_PATH: UNIT, PROXY_PATH: PROXY_UNIT}
    return [
        *(
            Default(path, (host.config / name).read_text().replace("@ENV@", env).encode())
            for path, name in units.items()
        ),
        Default(SLICE_PATH, (host.config / SLICE).read_bytes()),
        Default(TMPFILES_PATH, (host.config / "tmpfiles-jupyterhub.conf").read_bytes()),
    ]


def _unless(host: Host) -> str:
    return needs_host(host) or ("" if host.at("/run/systemd/system").is_dir() else message("no_systemd"))


STEP = Step("service", check, ensure, _unless)
