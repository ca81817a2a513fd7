"""Why a server ended, in words for its user."""

import signal
from dataclasses import dataclass
from typing import Any

from hubctl.units import say_memory

LAST_LINES = 15
"""How much of the log is shown."""

_OWN_WORDS = {
    0: "It ended by itself, as it does when it is shut down from within JupyterLab.",
    126: "The program that it should have run can't be executed in this image.",
    127: "The program that it should have run is not in this image.",
    128 + signal.SIGTERM: "It was told to stop (SIGTERM), by Docker or by an administrator.",
}


@dataclass(frozen=True)
class Ending:
    """How a container ended.

    Attributes:
        reason: one or two sentences.
        log: its last lines, oldest first.
    """

    reason: str
    log: tuple[str, ...]


def of_container(container: dict[str, Any], log: str) -> Ending | None:
    """Why a container ended.

    Args:
        container: what `docker inspect` says of it.
        log: what it has printed last.

    Returns:
        None where it runs, or has never run.
    """
    state = container["State"]
    if state["Running"] or state["Status"] == "created":
        return None
    return Ending(_reason(container), _last_lines(log))


def of_silence(log: str) -> Ending:
    """Why a server was ended that did not answer in time after its start."""
    return Ending("It did not answer in time after its start, and was ended. Try again.", _last_lines(log))


def _last_lines(log: str) -> tuple[str, ...]:
    lines = [line for line in log.splitlines() if line.strip()]
    return tuple(lines[-LAST_LINES:])


def _reason(container: dict[str, Any]) -> str:
    state, code = container["State"], container["State"]["ExitCode"]
    limit = container["HostConfig"].get("Memory")
    # the mark stays when only a kernel was ended, and the server itself much later for another reason
    if state.get("OOMKilled") and code == 128 + signal.SIGKILL:
        return (
            f"It needed more memory than the {say_memory(limit)} that it may have, and was ended. What you saved is "
            "still there. Load less at once, or choose an image with more memory."
        )
    if state.get("Error"):
        return f"Docker could not run it: {state['Error']}"
    return _of_code(code)


def of_process(code: int) -> Ending:
    """Why a process of this host ended, by its exit code as `subprocess` has it; its log is the hub's own."""
    return Ending(_of_code(code if code >= 0 else 128 - code), ())


def _of_code(code: int) -> str:
    """As shells have it: a signal counts from 128."""
    if code in _OWN_WORDS:
        return f"{_OWN_WORDS[code]} (exit code {code})"
    if code > 128:
        try:
            return f"It was ended by the signal {signal.Signals(code - 128).name}. (exit code {code})"
        except ValueError:
            pass
    return f"It ended with an error. (exit code {code})"
