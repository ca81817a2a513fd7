"""The command line: runs the steps, one line each."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from post_install import removal
from post_install.choices import AUTHS, SPAWNERS
from post_install.host import NEEDS_ROOT, Host, Step, StepError, needs_host
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
        return check(host, steps)
    if options.remove or options.list_removals:
        return remove(host, options.purge, only_list=options.list_removals)
    return ensure(host, _again(options), steps)


def check(host: Host, steps: Sequence[Step] = STEPS) -> int:
    """Says what is missing, and changes nothing."""
    missing = 0
    unseen = []
    for step in steps:
        reason = step.unless(host)
        if reason == NEEDS_ROOT:
            print(f"{step.name}: not looked at: {reason}")
            unseen.append(step.name)
            continue
        if reason:
            print(f"{step.name}: skipped: {reason}")
            continue
        problems = _attempt(step.check, host)
        found = [str(problems)] if isinstance(problems, StepError) else problems
        print(f"{step.name}: {'missing: ' + '; '.join(found) if found else 'ok'}")
        missing += bool(found)
    result = f"{missing} of {len(steps)} steps have something to do" if missing else "nothing is missing"
    if unseen:
        print(f"only root can look at {', '.join(unseen)}; for the rest: {result}")
    else:
        print(result if missing else "everything is in place")
    return MISSING if missing else UNSEEN if unseen else 0


def ensure(host: Host, again: str, steps: Sequence[Step] = STEPS) -> int:
    """Runs these steps; ``again`` is the command that does so once more."""
    _say_limits(host)
    try:
        _finish(host)
    except StepError as error:
        print(f"failed: {error}. When it is put right, run again: {again}", file=sys.stderr)
        return FAILED
    changed = 0
    failed: list[str] = []
    for step in steps:
        reason = step.unless(host)
        if reason:
            print(f"{step.name}: skipped: {reason}", flush=True)
            continue
        changes = _attempt(step.ensure, host)
        if isinstance(changes, StepError):
            print(f"{step.name}: failed: {changes}", flush=True)
            failed.append(step.name)
            if step.carries:
                break
            continue
        print(f"{step.name}: {'changed: ' + '; '.join(changes) if changes else 'ok'}", flush=True)
        changed += bool(changes)
    if failed:
        print(f"failed: {', '.join(failed)}. When it is put right, run again: {again}", file=sys.stderr)
        return FAILED
    print(f"{changed} of {len(steps)} steps changed something" if changed else "nothing changed")
    return 0


def remove(host: Host, purge: bool, only_list: bool) -> int:
    """Takes off the host what an uninstallation takes, or only says what that is."""
    home = os.environ.get("HOME")
    for item in removal.items(host, Path(home) if home else None, purge):
        if only_list:
            print(f"  {item.what}")
            continue
        try:
            item.remove()
        except (StepError, OSError) as error:
            print(f"could not remove {item.what}: {error}", file=sys.stderr)
            return FAILED
        print(f"  removed {item.what}", flush=True)
    if only_list and (kept := removal.kept(host, purge)):
        print(f"  (stays: {', '.join(kept)})")
    return 0


def _attempt(call: Callable[[Host], list[str]], host: Host) -> list[str] | StepError:
    """What a step says; what the system refused it (no space, no right, no such file) becomes a sentence."""
    try:
        return call(host)
    except StepError as error:
        return error
    except OSError as error:
        return StepError(f"{error.filename or 'the system'}: {error.strerror or error}")


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
        raise StepError(f"{journal}: what an interrupted hubctl has left can't be finished: {ran.complaint}")
    print(ran.complaint)


def _say_limits(host: Host) -> None:
    if host.is_root:
        return
    if host.is_real:
        print("Not root: only what lies in the prefix is set up. Run `hubctl setup` as root for the rest.")
    else:
        print("Not root: files and folders belong to you; owners and groups are not checked.")


def _again(options: argparse.Namespace) -> str:
    """The command that runs the same steps once more."""
    command = [sys.executable, str(HERE), "--prefix", str(options.prefix)]
    if options.root != Path("/"):
        command += ["--root", str(options.root)]
    for name in ("auth", "spawner", "only"):
        command += [f"--{name}", getattr(options, name)] if getattr(options, name) else []
    return shlex.join(command)


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
