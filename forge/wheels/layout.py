"""Where a wheel's files go in a conda package (binary distribution format, 1.x), byte code and RECORD included."""

import base64
import csv
import io
import posixpath
import warnings
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from os import PathLike, fspath
from typing import BinaryIO

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, RecordEntry
from installer.scripts import Script
from installer.sources import WheelFile
from installer.utils import Scheme

from forge.condapkg import PLACEHOLDER, Member
from forge.errors import ForgeError
from forge.symbols import MAGIC, without_symbols
from forge.target import Target
from forge.wheels.amendments import amended, is_left_out
from forge.wheels.bytecode import Compiler
from forge.wheels.metadata import Wheel

_PYTHON = f"{PLACEHOLDER}/bin/python"
_SHORT = "/prefix/bin/python"
"""Stands for _PYTHON while a script is made: a long one would be wrapped in sh, and whoever links does that already."""


class Layout(WheelDestination):
    """Collects the installed files of one wheel.

    ``noarch: python`` packages keep ``site-packages/`` and ``python-scripts/``, which whoever links puts in the real
    places; the scripts of their entry points are made there too. Other packages have the final layout.
    """

    def __init__(self, wheel: Wheel, target: Target, compiler: Compiler) -> None:
        self.wheel = wheel
        self.target = target
        self.compiler = compiler
        self.members: dict[str, Member] = {}
        self.entry_points: list[str] = []
        self._site = "site-packages" if wheel.noarch else target.site_packages
        self._scripts = "python-scripts" if wheel.noarch else "bin"

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        """An entry point of ``console_scripts`` or ``gui_scripts``."""
        if self.wheel.noarch:
            self.entry_points.append(f"{name} = {module}:{attr}")
        else:
            _, data = Script(name, module, attr, "console").generate(_SHORT, "posix")
            self._add(_script(f"{self._scripts}/{name}", data.replace(_SHORT.encode(), _PYTHON.encode(), 1)))
        return RecordEntry(name, None, None)

    def write_file(
        self, scheme: Scheme, path: str | PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """A file of the wheel's root or of one of its ``.data`` folders."""
        name = fspath(path)
        data = without_symbols(amended(self.wheel.name, name, stream.read()))
        if is_left_out(self.wheel.name, name):
            return RecordEntry(name, None, None)
        if scheme == "scripts":
            if data.startswith(b"#!python"):
                self._add(_script(f"{self._scripts}/{name}", f"#!{_PYTHON}\n".encode() + data.partition(b"\n")[2]))
            else:
                self._add(Member(f"{self._scripts}/{name}", data, executable=True))
        else:
            self._add(Member(f"{self._folder(scheme)}{name}", data, executable=is_executable))
        return RecordEntry(name, None, None)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        """Adds the byte code, and a RECORD of what is there once the package is linked."""
        self._compile()
        self._add(Member(f"{self._site}/{record_file_path}", self._record(record_file_path)))

    def _folder(self, scheme: Scheme) -> str:
        if scheme in ("purelib", "platlib"):
            return f"{self._site}/"
        if scheme == "data":
            return ""
        if self.wheel.noarch:
            raise ForgeError(
                f"{self.wheel.path.name} is for any platform, but has C headers.", "Write a recipe for it."
            )
        return f"include/python{self.target.series}/{self.wheel.name}/"

    def _add(self, member: Member) -> None:
        if member.path in self.members:
            raise ForgeError(
                f"{self.wheel.path.name} would install two files as {member.path}.", "Write a recipe for it."
            )
        if self.wheel.noarch and member.data.startswith(MAGIC):
            raise ForgeError(f"{self.wheel.path.name} is for any platform, but {member.path} is compiled code.")
        self.members[member.path] = member

    def _compile(self) -> None:
        for member in [m for path, m in self.members.items() if path.startswith(f"{self._site}/")]:
            if not member.path.endswith(".py"):
                continue
            code = self.compiler.compile(self._installed(member.path), member.data)
            if code is not None:
                folder, file = posixpath.split(member.path)
                cached = f"{folder}/__pycache__/{file.removesuffix('.py')}.{self.target.cache_tag}.pyc"
                self._add(Member(cached, code))

    def _installed(self, path: str) -> str:
        """The path in the prefix."""
        for ours, real in (("site-packages/", f"{self.target.site_packages}/"), ("python-scripts/", "bin/")):
            if self.wheel.noarch and path.startswith(ours):
                return real + path.removeprefix(ours)
        return path

    def _record(self, record: str) -> bytes:
        """RECORD; no hash where the file changes as it is linked (prefix) or may be made again (byte code)."""
        entries = [RecordEntry(f"bin/{point.partition(' = ')[0]}", None, None) for point in self.entry_points]
        for member in self.members.values():
            fixed = member.file_mode is None and not member.path.endswith(".pyc")
            digest = Hash("sha256", _urlsafe(member.data)) if fixed else None
            entries.append(RecordEntry(self._installed(member.path), digest, len(member.data) if fixed else None))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for entry in sorted(entries, key=lambda entry: entry.path):
            relative = replace(entry, path=posixpath.relpath(entry.path, self.target.site_packages))
            writer.writerow(relative.to_row())
        writer.writerow((record, "", ""))
        return text.getvalue().encode()


def lay_out(wheel: Wheel, target: Target, compiler: Compiler) -> Layout:
    """Unpacks a wheel in memory.

    Raises:
        ForgeError: its RECORD does not tell the truth, or something in it has no place in a conda package.
    """
    layout = Layout(wheel, target, compiler)
    try:
        with WheelFile.open(wheel.path) as source, warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # shipped __pycache__ is left out: ours is for the target
            source.validate_record()
            _check_data_folder(wheel, source)
            install(source, layout, {"INSTALLER": b"conda\n"})
    except (InstallerError, ValueError, AssertionError) as error:
        raise ForgeError(f"{wheel.path.name} cannot be unpacked: {error!r}.", "Write a recipe for it.") from error
    return layout


def _check_data_folder(wheel: Wheel, source: WheelFile) -> None:
    """``installer`` finds the data folder by the wheel's file name; another one would land in ``site-packages``."""
    for (path, _, _), _, _ in source.get_contents():
        top = path.partition("/")[0]
        if top.endswith(".data") and top != source.data_dir:
            raise ForgeError(f"{wheel.path.name} has its data in {top}, not in {source.data_dir}.")


def _script(path: str, data: bytes) -> Member:
    return Member(path, data, executable=True, file_mode="text")


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
