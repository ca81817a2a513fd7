"""``make release VERSION=…``: what is committed becomes a release, with its version, locks, notes, installer, channel.

Everything follows from the commit, the version and the releases that are published already. The last thing that is
done is the first that others see: the packages join the published channel.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forge import build, construct, locks, notes, recipes, release
from forge.errors import ForgeError
from forge.files import write_text
from forge.locking import alone
from forge.paths import CONSTRUCT, DOCS, PUBLISHED, ROOT
from forge.progress import say
from forge.sources import debian

NOTES = DOCS / "releases"
REASONS = NOTES / "reasons.txt"

_VERSION = re.compile(r'^(\{% set version = ")([^"]+)(" %\})$', re.MULTILINE)
"""The line of ``construct.yaml`` that names the release."""


def make(version: str, frozen: bool = False) -> Path:
    """Makes release ``version`` of what is committed; returns its notes. Committing these is left to a person.

    Raises:
        ForgeError: the version is not newer, something is not committed, releases before are missing in
            ``dist/channel``, or the build fails; the channel is then as it was.
    """
    committed = _committed("construct.yaml")
    before = _version_in(committed)
    if release.number(version) <= release.number(before):
        raise ForgeError(
            f"{version} is not newer than {before}, which construct.yaml names",
            f"Choose a newer one. `make installer` makes {before} again from its commit, `make channel` publishes it.",
        )
    _refuse_uncommitted(version, committed)
    _refuse_incomplete(version)
    with alone(), _named(version, committed):
        plan = construct.read(CONSTRUCT)
        carried = build.environments_of(plan, frozen)
        installer = build.installer_of(plan, carried, frozen)
        text = _notes(version, before, [environment.name for environment in carried])
        build.add_to_channel(plan)
        write_text(NOTES / f"{version}.md", text)
    say(
        f"{installer.relative_to(ROOT)} and {(NOTES / f'{version}.md').relative_to(ROOT)} are made. What is left to do:"
    )
    say(f"  git add -A && git commit -m 'Release {version}' && git tag {version}")
    say(f"  copy {PUBLISHED.relative_to(ROOT)} to where servers find it (docs/channel.md)")
    return NOTES / f"{version}.md"


def _version_in(text: str) -> str:
    found = _VERSION.findall(text)
    if len(found) != 1:
        raise ForgeError('construct.yaml has no line of the form {% set version = "YYYY.MM" %}', "Put it back.")
    return str(found[0][1])


def _renamed(text: str, version: str) -> str:
    return _VERSION.sub(lambda match: f"{match[1]}{version}{match[3]}", text)


@contextmanager
def _named(version: str, committed: str) -> Iterator[None]:
    """``construct.yaml`` names the new release; a failure gives it the committed text back."""
    write_text(CONSTRUCT, _renamed(committed, version))
    try:
        yield
    except BaseException:
        write_text(CONSTRUCT, committed)
        raise


# ---- what is in the way ----


def _refuse_uncommitted(version: str, committed: str) -> None:
    """The same commit has to give the same release to everybody; what this command itself writes does not count."""
    names = [spec.name for spec in construct.read(CONSTRUCT).environments]
    written = [NOTES / f"{version}.md", *map(locks.explicit_path, names), *map(locks.conda_lock_path, names)]
    own = {path.relative_to(ROOT).as_posix() for path in written}
    if CONSTRUCT.read_text() == _renamed(committed, version):
        own.add("construct.yaml")
    listed = _git("status", "--porcelain", "--untracked-files=all", "--no-renames", "-z").split("\0")[:-1]
    if changed := sorted(entry[3:] for entry in listed if entry[3:] not in own):
        raise ForgeError(
            "A release is made of what is committed, and this is not:\n" + "\n".join(f"  {name}" for name in changed),
            "Commit it, or put it aside (git stash --include-untracked).",
        )


def _refuse_incomplete(version: str) -> None:
    """A channel without the releases before would take their packages out of the index of whoever copies it."""
    described = [path.stem for path in NOTES.glob("*.md") if path.stem != version]
    if missing := sorted(name for name in described if not (PUBLISHED / locks.PUBLISHED / name).is_dir()):
        raise ForgeError(
            f"{PUBLISHED.relative_to(ROOT)} lacks releases that were published: {', '.join(missing)}",
            f"Bring the published channel here first, for example: rsync -a SERVER:CHANNEL/ {PUBLISHED}/",
        )


# ---- what has changed ----


def _notes(version: str, named: str, environments: list[str]) -> str:
    """The notes of what the locks hold now, against the newest release that is published, else what is committed."""
    published = [path.name for path in (PUBLISHED / locks.PUBLISHED).glob("*") if path.name != version]
    before = max(published, key=release.number, default=named)
    reasons = notes.read_reasons(REASONS.read_text(), REASONS.name)
    old = {name: locks.parse(_lock_of(locks.explicit_path(name), before, before in published)) for name in environments}
    patches = notes.patched(
        debian.patches_of(_lock_of(debian.LOCK, before, before in published)),
        debian.patches_of(debian.LOCK.read_text()),
        {
            recipe.origin.name: recipe.outputs
            for recipe in recipes.load_all().values()
            if recipe.origin and recipe.origin.registry == "debian"
        },
    )
    return notes.write(version, before, old, {name: locks.read(name) for name in environments}, reasons, patches)


def _lock_of(path: Path, before: str, published: bool) -> str:
    """The lock as the release before had it."""
    if published:
        return (PUBLISHED / locks.PUBLISHED / before / path.name).read_text()
    return _committed(path.relative_to(ROOT).as_posix())


def _committed(path: str) -> str:
    return _git("show", f"HEAD:{path}")


def _git(*arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        raise ForgeError("git is missing: a release is made of what is committed", "Install git.") from None
    if done.returncode:
        raise ForgeError(f"git can't tell what is committed in {ROOT}:\n{done.stderr.strip()}", "Work in a git clone.")
    return done.stdout
