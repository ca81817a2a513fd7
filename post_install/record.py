"""What was written by us: how an administrator's edit is told from a default that we may replace."""

import difflib
import hashlib
import json
from dataclasses import asdict, dataclass, field

from post_install.files import Folder, opened, repair, write, wrong_with
from post_install.host import Host, StepError
from post_install.messages import message

HOST_RECORD = "/var/lib/jupyterhub/installed.json"


@dataclass
class Written:
    """The sha256 of a file's default as last written, and as last offered beside the administrator's own."""

    written: str = ""
    offered: str = ""


@dataclass
class Record:
    """Files by their path on the host, and what was chosen when the settings were first written."""

    path: str
    files: dict[str, Written] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)

    def of(self, path: str) -> Written:
        """What is known of ``path``."""
        return self.files.setdefault(path, Written())

    def save(self, host: Host) -> None:
        """Writes the record down where it has changed."""
        content = {"files": {name: asdict(entry) for name, entry in self.files.items()}, "choices": self.choices}
        data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
        path = host.at(self.path)
        if not path.is_file() or path.read_bytes() != data:
            write(host, self.path, data, 0o644)


def load(host: Host, path: str = HOST_RECORD) -> Record:
    """The record at ``path``; an empty one when there is none.

    Raises:
        StepError: it can't be understood.
    """
    file = host.at(path)
    if not file.exists():
        return Record(path)
    try:
        content = json.loads(file.read_text())
        files = {name: Written(**entry) for name, entry in content["files"].items()}
        return Record(path, files, dict(content["choices"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StepError(message("record_unreadable", path=file), message("remove_record")) from None


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Default:
    """A file that we ship and the administrator may edit.

    Attributes:
        path: absolute, as the host sees it.
        data: what we ship.
        mode: no more than these permissions.
    """

    path: str
    data: bytes
    mode: int = 0o644

    def check(self, host: Host, record: Record) -> list[str]:
        """What is missing or older than what we ship, a line each."""
        state = self._state(host, record)
        problem = {"missing": "path_missing", "outdated": "outdated", "collides": "collides"}.get(state)
        lines = [message(problem, path=self.path)] if problem else []
        return lines + [f"{self.path}: {problem}" for problem in self._access(host)]

    def ensure(self, host: Host, record: Record) -> list[str]:
        """Writes the default where the administrator has nothing of their own there; else offers it as ``.new``."""
        state = self._state(host, record)
        entry = record.of(self.path)
        lines: list[str] = []
        if state == "collides":
            write(host, f"{self.path}.new", self.data, self.mode)
            entry.offered = sha256(self.data)
            lines = [message("stays", path=self.path, new=f"{self.path}.new")]
            if host.show_differences:
                self._show_difference(host)
        elif state in ("missing", "outdated"):
            write(host, self.path, self.data, self.mode)
            lines = [message("wrote" if state == "missing" else "new_default", path=self.path)]
        if state not in ("edited", "collides"):
            entry.written = sha256(self.data)
        return lines + [message("repaired", path=self.path, what=what) for what in self._access(host, mend=True)]

    def _show_difference(self, host: Host) -> None:
        """Prints what leads from the administrator's file to the default, as `diff -u` does."""
        names = self.path, f"{self.path}.new"
        edited, default = (host.at(name).read_text(errors="replace").splitlines() for name in names)
        print("\n".join(difflib.unified_diff(edited, default, *names, lineterm="")), flush=True)

    def _state(self, host: Host, record: Record) -> str:
        """One of: missing, current, outdated (ours, unedited), edited, collides (edited, and the default moved on)."""
        file = host.at(self.path)
        if not file.exists() and not file.is_symlink():
            return "missing"
        entry = record.files.get(self.path, Written())
        # A symbolic link is the administrator's doing, and so is everything behind it.
        found = "" if file.is_symlink() else sha256(file.read_bytes())
        ours = sha256(self.data)
        if found == ours:
            return "current"
        if found and found == entry.written:
            return "outdated"
        return "edited" if ours in (entry.written, entry.offered) else "collides"

    def _access(self, host: Host, mend: bool = False) -> list[str]:
        """More permissions than due, or an owner who is not root: the hub runs what stands in these files."""
        file = host.at(self.path)
        if file.is_symlink() or not file.exists():
            return []
        with opened(host, self.path, 0) as descriptor:
            want = Folder(self.path, file.stat().st_mode & self.mode)
            problems = wrong_with(host, descriptor, want)
            if problems and mend:
                repair(host, descriptor, want)
        return problems
