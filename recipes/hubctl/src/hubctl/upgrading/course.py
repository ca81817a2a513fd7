"""The way to another release, step by step, and the way back: from wherever it has failed, or from its end."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import cache, database
from .disk import names_to_disk
from .journal import MEND, NAME, Journal, read, release_of
from .lock import alone
from .prefix import FailedError, Prefix, forget
from .surroundings import surroundings

SCHEMA = """\
import sys
from jupyterhub.orm import DatabaseSchemaMismatch, check_db_revision
from sqlalchemy import create_engine
try:
    check_db_revision(create_engine(f"sqlite:///{sys.argv[1]}"))
except DatabaseSchemaMismatch:
    sys.exit(3)
"""
"""For the hub's Python: ends with 3 when the database wants `jupyterhub upgrade-db`."""

MOVED = 3
HOST_STEP_FAILED = 5
INTERRUPTED = 130


@dataclass(frozen=True)
class Course:
    """An upgrade or a rollback under way.

    Attributes:
        folder: where its journal and its copy of conda are.
        held: the descriptor of its lock. What changes things inherits it: after a kill, its end is waited for.
    """

    folder: Path
    journal: Journal
    held: int

    @property
    def hub(self) -> Prefix:
        """The hub's environment."""
        return self._prefix(self.journal.hub.folder)

    @property
    def base(self) -> Prefix:
        """conda's own environment."""
        return self._prefix(self.journal.base.folder)

    def _prefix(self, folder: str) -> Prefix:
        program = (str(self.folder / "conda/bin/python"), "-I", "-B")
        return Prefix(Path(folder), Path(self.journal.base.folder), program, (self.held,))

    @property
    def database(self) -> Path:
        """The hub's."""
        return Path(self.journal.root, "var/lib/jupyterhub/jupyterhub.sqlite")

    @property
    def copy(self) -> Path:
        """The database as it was before, or what a rollback puts in its place, for as long as this is under way."""
        return self.database.with_name(database.NEW)

    def noted(self, **changes: bool) -> "Course":
        """The same, a step further; the journal says so from now on."""
        return Course(self.folder, self.journal.write(self.folder, **changes), self.held)


def main(folder: Path, back: bool) -> int:
    """Goes on with what the journal in ``folder`` says; with ``back``, goes back.

    Returns:
        0: done; 1: it has failed, and all is as it was before, or one line says what is left to do; 5: went back, but
        for a step of the host; 130: interrupted.
    """
    os.umask(0o022)  # what conda and the steps make is for every user of the server
    try:
        with alone(folder.parent / "lock") as held:
            try:
                journal = read(folder)
            except FailedError as error:
                print(f"hubctl: {error}: {MEND}", file=sys.stderr)
                return 1
            if journal is None:
                raise FailedError("no upgrade or rollback is under way")
            course = Course(folder, journal, held)
            if back or journal.is_back:
                is_set_up = _back(course.noted(is_back=True))
                return 1 if not back else 0 if is_set_up else HOST_STEP_FAILED
            return _forward(course)
    except (FailedError, OSError, sqlite3.Error) as error:
        more = ". The same command goes on from here" if _is_under_way(folder) else ""
        print(f"hubctl: {error}{more}", file=sys.stderr)
    except KeyboardInterrupt:
        more = f"; the same command goes on, and so does {folder}/finish" if _is_under_way(folder) else ""
        print(f"hubctl: interrupted{more}", file=sys.stderr)
        return INTERRUPTED
    return 1


def _is_under_way(folder: Path) -> bool:
    return (folder / NAME).exists()


def _forward(course: Course) -> int:
    release = course.journal.release
    try:
        _renew_cache(course)
        _say(f"Bringing the hub's environment to release {release}")
        course.hub.bring(f"hubforge=={release}")
        _say(f"Bringing base to release {release}")
        course.base.bring(f"hubforge-base=={release}")
        _set_up(course)
        course = _renew(course)
        _verify(course)
    except (FailedError, OSError, sqlite3.Error) as error:
        print(f"hubctl: {error}. Going back to release {course.journal.release_before}", file=sys.stderr, flush=True)
        _back(Course(course.folder, read(course.folder) or course.journal, course.held).noted(is_back=True))
        return 1
    if course.journal.is_migrated:  # else what an earlier upgrade has left there is what it has to be gone back with
        database.snapshot(course.copy, course.database.with_name(database.BEFORE))
    _finish(course)
    _say(f"Release {release} is there.")
    return 0


def _renew_cache(course: Course) -> None:
    """Packages that a power cut has left half-written are fetched and unpacked anew, and linked anew where they are."""
    folder = course.base.folder / "pkgs"
    for package in cache.broken(folder, course.journal.coming):
        _say(f"{folder / package} is not whole, as after a power cut: it is unpacked anew")
        for prefix, name in ((course.hub, "hubforge"), (course.base, "hubforge-base")):
            forget(prefix.folder, [prefix.folder / f"conda-meta/{package}.json"], name)
        cache.remove(folder, package)


def _set_up(course: Course) -> None:
    """The host's part: the steps of the release that is there now."""
    _say("Looking at the host (hubctl setup)")
    arguments = ["--root", course.journal.root, "--prefix", course.journal.base.folder, "--diff"]
    steps = Path(course.journal.hub.folder, "share/hubforge/post_install")
    if subprocess.run([*_python(course), str(steps), *arguments], pass_fds=(course.held,)).returncode:
        raise FailedError("a step of `hubctl setup` did not succeed")


def _renew(course: Course) -> Course:
    """The database, and the hub that runs: the old one never meets the new schema, nor the new one the old schema."""
    if course.journal.restart:
        course = course.noted(is_stopped=True)
        _hubctl(course, "stop")
        course = _migrate(course)
        _hubctl(course, "start")
    elif not _runs(course):
        course = _migrate(course)
    elif _has_moved(course):
        _say("The database has another schema from the hub's next start on, which changes it after making a copy.")
    return course


def _migrate(course: Course) -> Course:
    if not _has_moved(course):
        return course
    _say(f"Changing the schema of {course.database}")
    if course.journal.is_migrated:  # a killed run may have left half of the new schema
        database.put_back(course.copy, course.database)
    else:
        database.snapshot(course.database, course.copy)
        course = course.noted(is_migrated=True)
    programs = Path(course.journal.hub.folder, "bin")
    config = programs.parent / "jupyterhub_config.py"
    if not config.exists():
        config = programs.parent / "share/hubforge/config/jupyterhub_config.py"
    variables = _surroundings(course) | {"PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}"}
    command = [*_python(course), "-m", "jupyterhub", "upgrade-db", "--config", str(config)]
    if subprocess.run(command, env=variables, cwd=course.database.parent, pass_fds=(course.held,)).returncode:
        raise FailedError("`jupyterhub upgrade-db` did not succeed")
    return course


def _has_moved(course: Course) -> bool:
    """Whether the database wants another schema."""
    if not course.database.exists():
        return False
    command = [*_python(course), "-c", SCHEMA, str(course.database)]
    code = subprocess.run(command, env=_surroundings(course)).returncode
    if code not in (0, MOVED):
        raise FailedError(f"JupyterHub can't read {course.database}")
    return code == MOVED


def _runs(course: Course) -> bool:
    shown = subprocess.run(_command(course, "status", "--json"), env=_surroundings(course), stdout=subprocess.PIPE)
    try:
        return json.loads(shown.stdout)["hub_pid"] is not None
    except (ValueError, KeyError):
        raise FailedError("`hubctl status` does not say whether the hub runs") from None


def _verify(course: Course) -> None:
    """Every file is as its package has it, but for those that were not before; and the hub answers, where it runs."""
    _say("Checking what is installed (hubctl verify)")
    command = _command(course, "verify", "--json")
    shown = subprocess.run(command, env=_surroundings(course), stdout=subprocess.PIPE)
    try:
        found = json.loads(shown.stdout)
    except ValueError:
        raise FailedError("`hubctl verify` did not succeed") from None
    if wrong := [line for line in found["files"] if line not in course.journal.altered]:
        raise FailedError(f"{len(wrong)} files are not as their packages have them, {wrong[0]} first")
    if found["hub"] == "silent":
        raise FailedError("the hub runs, but does not answer")


def _back(course: Course) -> bool:
    """All as it was before the upgrade began, database included; or, of a rollback, the hub's part of that.

    Returns:
        Whether the host's steps have succeeded.
    """
    journal = course.journal
    if journal.is_migrated and not course.copy.exists():
        raise FailedError(f"{course.copy} is not there, and without it the database can't go back")
    changed = [(course.hub, journal.hub, "hubforge")]
    if not journal.is_rollback:
        changed.insert(0, (course.base, journal.base, "hubforge-base"))
    for prefix, before, name in changed:
        prefix.go_back(before.revision, before.packages, f"{name} {release_of(before.packages, name)}")
    is_set_up = True
    try:
        _set_up(course)
    except FailedError as error:
        print(f"hubctl: {error}; `hubctl setup` does it again", file=sys.stderr)
        is_set_up = False
    course = _renew_back(course)
    _finish(course)
    _say_where(course)
    return is_set_up


def _renew_back(course: Course) -> Course:
    """The database, where the hub that is there now does not know its schema, and the hub that runs."""
    journal = course.journal
    # a hub that was started meanwhile, by hand or at a boot, has changed the schema by itself
    moved = journal.is_migrated or (course.copy.exists() and _has_moved(course))
    if (journal.is_rollback and journal.restart) or (moved and _runs(course)):
        course = course.noted(is_stopped=True)
    if moved or course.journal.is_stopped:
        _hubctl(course, "stop")
    if moved:
        if journal.is_rollback and not Path(journal.kept).exists():
            database.snapshot(course.database, Path(journal.kept))
            _say(f"What the database held stays as {journal.kept}")
        database.put_back(course.copy, course.database)
        course = course.noted(is_migrated=False)  # what is written from here on stays
    if course.journal.is_stopped:
        _hubctl(course, "start")
    return course


def _say_where(course: Course) -> None:
    """The last words on the way back."""
    journal = course.journal
    if not journal.is_rollback:
        _say(f"Everything is as before the upgrade, release {journal.release_before}.")
        return
    release = journal.release_before or "unknown"
    _say(f"The environment is as in revision {journal.hub.revision}, release {release}.")
    if release != release_of(journal.base.packages, "hubforge-base"):
        _say("base stays as it is, which serves every release; the installer of that release takes it back, with -u.")
    if not journal.is_stopped:
        _say("A hub that runs takes it up with `hubctl restart`.")


def _finish(course: Course) -> None:
    """No upgrade is under way any more."""
    os.sync()  # packages: without the journal nobody looks again whether a power cut has left files without content
    (course.folder / NAME).unlink()
    names_to_disk(course.folder)  # the copies go last: a journal that a power cut brings back still finds them
    course.copy.unlink(missing_ok=True)
    shutil.rmtree(course.folder, ignore_errors=True)


def _python(course: Course) -> list[str]:
    """The hub's, which loads nothing from the folder that root stands in, as it would for `-m` and `-c`."""
    return [str(Path(course.journal.hub.folder, "bin/python")), "-I", "-B"]


def _command(course: Course, *arguments: str) -> list[str]:
    return [*_python(course), "-m", "hubctl", *arguments]


def _hubctl(course: Course, verb: str) -> None:
    if subprocess.run(_command(course, verb), env=_surroundings(course)).returncode:
        raise FailedError(f"`hubctl {verb}` did not succeed")


def _surroundings(course: Course) -> dict[str, str]:
    return surroundings() | {"HUBFORGE_ROOT": course.journal.root}


def _say(text: str) -> None:
    print(text, flush=True)
