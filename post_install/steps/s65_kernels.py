"""The PySpark kernels that ``hub.yaml`` asks for, where users' servers run in containers."""

from post_install.host import Host, Ran, Step, StepError, needs_host
from post_install.messages import message
from post_install.steps.s50_settings import PATH, in_force

UNCHANGED = "nothing changed"
STATES = {"new": "kernel_new", "changed": "kernel_changed", "no longer wanted": "kernel_unwanted"}
"""What ``hubctl image kernels`` says of a kernelspec, and the message for it."""


def check(host: Host) -> list[str]:
    """Which kernels are not as the settings have them."""
    ran = _hubctl(host, "--check")
    return _lines(ran) if ran.code else []


def ensure(host: Host) -> list[str]:
    """Renders them; a size that is no longer in the settings goes."""
    return _lines(_hubctl(host))


def _hubctl(host: Host, *options: str) -> Ran:
    """The settings are YAML: hubctl reads them, with the environment's own Python."""
    python = str(host.env / "bin" / "python")
    command = [python, "-I", "-B", "-m", "hubctl", "--root", str(host.root), "image", "kernels", *options]
    ran = host.run(command)
    if ran.code and not ran.output:
        raise StepError(message("kernels_failed", why=ran.complaint), message("mend_settings", path=PATH))
    return ran


def _lines(ran: Ran) -> list[str]:
    return [_line(line) for line in ran.output.splitlines() if line != UNCHANGED]


def _line(said: str) -> str:
    name, _, state = said.removeprefix("kernelspec ").partition(": ")
    return message(STATES[state], name=name) if state in STATES else said


def _unless(host: Host) -> str:
    # In this order: only root may read the settings.
    return needs_host(host) or ("" if in_force(host, "spawner") == "docker" else message("no_containers"))


STEP = Step("kernels", check, ensure, _unless)
