"""``jupyterhub_config.py`` at the environment's root: what ``jupyterhub`` is started with."""

from post_install.host import Host, Step, StepError
from post_install.messages import message
from post_install.record import Default, load

NAME = "jupyterhub_config.py"


def check(host: Host) -> list[str]:
    """Whether it is there, and as new as what is shipped."""
    return _default(host).check(host, load(host, _record(host)))


def ensure(host: Host) -> list[str]:
    """Writes it; an edited one stays."""
    default, record = _default(host), load(host, _record(host))
    changes = default.ensure(host, record)
    record.save(host)
    return changes


def _default(host: Host) -> Default:
    if not host.env.is_dir():
        raise StepError(message("no_environment", path=host.env), message("name_prefix"))
    return Default(str(host.env / NAME), (host.config / NAME).read_bytes())


def _record(host: Host) -> str:
    """The prefix keeps its own record: it may belong to somebody who can't write to the host's."""
    return str(host.env / ".hubforge-installed.json")


STEP = Step("prefix", check, ensure, unless=lambda host: "")
