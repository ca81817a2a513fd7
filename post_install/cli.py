"""The command line: runs the steps, one line each."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from post_install import removal
from post_install.choices import AUTHS, SPAWNERS
from post_install.host import Host, Step, StepError, needs_host
from post_install.messages import message
from post_install.steps import STEPS

HERE = Path(__file__).resolve().parent
JOURNAL = "/var/lib/jupyterhub/unfinished.json"
"""``hubctl/onestep.py`` has it while several files change in one step."""

MISSING = 1
UNSEEN = 3
FAILED = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for.

    Returns:
        0: everything is in place (what can't be done without root, or does not apply here, is skipped and said);
        1: ``--check`` found something missing; 3: it found nothing missing, but could not look at all without root;
        5: a step failed.
    """
    # Ended from outside, a step still takes its half-written files away.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    options = _parser().parse_args(arguments)
    host = Host(
        prefix=options.prefix.resolve(),
        config=HERE.parent / "config",
        root=options.root.resolve(),
        auth=options.auth,
        spawner=options.spawner,
        show_differences=options.diff,
    )
    steps = [step for step in STEPS if options.only in ("", step.name)]
    if options.check:
        return check(host, steps, as_json=options.json)
    if options.remove or options.list_removals:
        return remove(host, options.purge, only_list=options.list_removals)
    return ensure(host, steps)


@dataclass(frozen=True)
class Looked:
    """What a check of one step has come to.

    Attributes:
        state: ``ok``, ``missing``, ``skipped``, or ``not looked at``, which only root can.
        found: what is missing, or why the step was left out; empty where all is in place.
    """

    name: str
    state: str
    found: list[str]


_TOLD = {"ok": "step_ok", "missing": "step_missing", "skipped": "step_skipped", "not looked at": "step_unseen"}
"""The message for each state that a check comes to."""


def check(host: Host, steps: Sequence[Step] = STEPS, as_json: bool = False) -> int:
    """Says what is missing, and changes nothing."""
    told = []
    for looked in _look(host, steps):
        told.append(looked)
        if not as_json:
            found = "; ".join(looked.found)
            print(message(_TOLD[looked.state], step=looked.name, what=found, why=found), flush=True)
    missing = [looked.name for looked in told if looked.state == "missing"]
    unseen = [looked.name for looked in told if looked.state == "not looked at"]
    if as_json:
        print(json.dumps([asdict(looked) for looked in told], indent=2))
    else:
        _say_result(missing, unseen, len(steps))
    return MISSING if missing else UNSEEN if unseen else 0


def _look(host: Host, steps: Sequence[Step]) -> Iterator[Looked]:
    for step in steps:
        if reason := step.unless(host):
            yield Looked(step.name, "not looked at" if reason == message("needs_root") else "skipped", [reason])
            continue
        problems = _attempt(step.check, host)
        found = [str(problems)] if isinstance(problems, StepError) else problems
        yield Looked(step.name, "missing" if found else "ok", found)


def _say_result(missing: Sequence[str], unseen: Sequence[str], steps: int) -> None:
    result = message("missing" if missing else "nothing_missing", count=len(missing), total=steps)
    if unseen:
        print(message("unseen", steps=", ".join(unseen), result=result))
    else:
        print(result if missing else message("in_place"))


def ensure(host: Host, steps: Sequence[Step] = STEPS) -> int:
    """Runs these steps. What has failed is said last; how to run it again, whoever has called this knows."""
    _say_limits(host)
    try:
        _finish(host)
    except StepError as error:
        print(message("failed", why=error), file=sys.stderr)
        return FAILED
    changed = 0
    failed: list[str] = []
    for step in steps:
        reason = step.unless(host)
        if reason:
            print(message("step_skipped", step=step.name, why=reason), flush=True)
            continue
        changes = _attempt(step.ensure, host)
        if isinstance(changes, StepError):
            failed.append(message("step_failed", step=step.name, why=changes))
            if step.carries:
                break
            continue
        print(message("step_changed" if changes else "step_ok", step=step.name, what="; ".join(changes)), flush=True)
        changed += bool(changes)
    if failed:
        print("\n".join(failed), file=sys.stderr)
        return FAILED
    print(message("changed" if changed else "nothing_changed", count=changed, total=len(steps)))
    return 0


def remove(host: Host, purge: bool, only_list: bool) -> int:
    """Takes off the host what an uninstallation takes, or only says what that is."""
    home = os.environ.get("HOME")
    for item in removal.items(host, Path(home) if home else None, purge):
        if only_list:
            print(message("removal", what=item.what))
            continue
        try:
            item.remove()
        except (StepError, OSError) as error:
            print(message("not_removed", what=item.what, why=_sentence(error)), file=sys.stderr)
            return FAILED
        print(message("removed", what=item.what), flush=True)
    if only_list and (kept := removal.kept(host, purge)):
        print(message("kept", what=", ".join(kept)))
    return 0


def _attempt(call: Callable[[Host], list[str]], host: Host) -> list[str] | StepError:
    """What a step says, or why it could not be done."""
    try:
        return call(host)
    except (StepError, OSError) as error:
        return StepError(_sentence(error))


def _sentence(error: StepError | OSError) -> str:
    """Also what the system has refused: no space, no right, no such file."""
    if isinstance(error, StepError):
        return str(error)
    return f"{error.filename or message('the_system')}: {error.strerror or error}"


def _finish(host: Host) -> None:
    """What a killed command of `hubctl` was changing comes first: each of its commands finishes that.

    Raises:
        StepError: it does not; the steps would meet files that do not fit each other.
    """
    journal = host.at(JOURNAL)
    if needs_host(host) or not journal.exists():
        return
    ran = host.run([str(host.env / "bin" / "hubctl"), "--root", str(host.root), "config", "validate"])
    if journal.exists():
        raise StepError(message("unfinished", path=journal, why=ran.complaint))
    print(ran.complaint)


def _say_limits(host: Host) -> None:
    if host.is_root:
        return
    print(message("not_root" if host.is_real else "not_root_elsewhere"))


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="post_install", description="Sets this host up for the hub.")
    # PREFIX/envs/jupyterhubenv is the environment that runs this; elsewhere the environment is all there is.
    here = Path(sys.prefix)
    base = here.parent.parent if here.parent.name == "envs" else here
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="what stands for / (default: /)")
    parser.add_argument(
        "--prefix", type=Path, default=base, metavar="BASE", help="the base prefix (default: the one this runs from)"
    )
    parser.add_argument("--check", action="store_true", help="only say what is missing (exit code 1); change nothing")
    parser.add_argument("--json", action="store_true", help="with --check: for programs")
    parser.add_argument("--diff", action="store_true", help="show what edited files and their new defaults differ in")
    parser.add_argument("--only", choices=[step.name for step in STEPS], default="", help="this step and no other")
    parser.add_argument("--remove", action="store_true", help="take the service and the shell's setup off the host")
    parser.add_argument("--list-removals", action="store_true", help="only say what --remove would take")
    parser.add_argument("--purge", action="store_true", help="settings, state and users' shared files, too")
    parser.add_argument("--auth", choices=AUTHS, default="", help="how users log in (default: what the host has)")
    parser.add_argument(
        "--spawner", choices=SPAWNERS, default="", help="where users' servers run (default: docker where it answers)"
    )
    return parser
