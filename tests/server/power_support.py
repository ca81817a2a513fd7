"""What a power cut would take: a mock of a disk that keeps exactly what it was asked to keep (fsync(2), sync(2))."""

import os
import sys
from pathlib import Path

import pytest


class Power:
    """Follows the names below a folder, and what their files hold, in this process.

    Python's audit events (PEP 578) tell of names; ``os.fsync`` and ``os.sync`` are replaced.

    Attributes:
        before_the_journal: what a cut would have taken just before the journal got its name, each time; the journal
            itself is left out.
        before_its_end: the same, just before it lost it.
    """

    def __init__(self, folder: Path, journal: str) -> None:
        self.folder, self.journal = str(folder), journal
        self.monkeypatch = pytest.MonkeyPatch()
        self.names: set[str] = set()
        self.contents: set[str] = set()
        self.before_the_journal: list[set[str]] = []
        self.before_its_end: list[set[str]] = []
        self.is_on = False

    def cut(self) -> set[str]:
        """What would be lost now: files without their name or without their content, and names that would be back."""
        return {name for name in self.names | self.contents if not self._is_scratch(name)}

    def _is_scratch(self, name: str) -> bool:
        """Whether nobody would miss it: the journal without its name, a lock, what a backup is unpacked to, /run."""
        return name.endswith((f".{self.journal}", "/lock")) or "/.restore-" in name or f"{self.folder}/run" in name

    def __enter__(self) -> "Power":
        sys.addaudithook(self._hear)
        sync, fsync = os.sync, os.fsync

        def all_() -> None:
            sync()
            self.names.clear()
            self.contents.clear()

        def one(handle: int) -> None:
            path = str(Path(f"/proc/self/fd/{handle}").readlink())
            fsync(handle)
            self.contents.discard(path)
            self.names -= {name for name in self.names if os.path.dirname(name) == path}  # noqa: PTH120

        self.monkeypatch.setattr("os.sync", all_)
        self.monkeypatch.setattr("os.fsync", one)
        self.is_on = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_on = False  # a hook cannot be taken back
        self.monkeypatch.undo()

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        paths = [str(one) for one in arguments[:2]]
        if event == "open" and paths[0].startswith(self.folder) and int(str(arguments[2])) & os.O_CREAT:
            self.names.add(paths[0])
            self.contents.add(paths[0])
        elif event == "os.mkdir" and paths[0].startswith(self.folder) and not Path(paths[0]).exists():
            self.names.add(paths[0])
        elif event == "os.remove" and paths[0].startswith(self.folder) and Path(paths[0]).exists():
            self._note(self.before_its_end, paths[0])
            self.names.add(paths[0])
            self.contents.discard(paths[0])
        elif event in ("os.rename", "os.link") and paths[1].startswith(self.folder):
            self._note(self.before_the_journal, paths[1])
            self.names |= {paths[1]}
            if paths[0] in self.contents:
                self.contents = self.contents - {paths[0]} | {paths[1]}
            self.names.discard(paths[0])

    def _note(self, found: list[set[str]], path: str) -> None:
        if path.endswith(f"/{self.journal}"):
            found.append(self.cut())
