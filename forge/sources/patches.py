"""Which of Debian's patches are security fixes, and taking them out of the Debian tarball.

The rule, over ``debian/patches/series`` in its order:

1. a patch whose name, or whose header (DEP-3 or git's, what stands above the first diff), names a CVE is taken;
2. so is every patch after the first such one: stable updates append, later fixes are made on top of earlier ones, and
   what they append without a CVE are the fixes' own predecessors, tests and corrections;
3. so is a patch that ``Source.also`` lists, which fixes a CVE that only the changelog names; it alone, and not what
   follows it;
4. a patch of Debian's own is not, wherever it stands: one in a folder ``debian`` or ``debian-local``, or one that
   DEP-3 marks ``Forwarded: not-needed``.
"""

import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forge.errors import ForgeError

CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)
_FIRST_DIFF = re.compile(r"^(---|Index:|diff ) ?\S", re.MULTILINE)
_DEBIANS_OWN = re.compile(r"^Forwarded: *not-needed", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Patch:
    """One line of a series: its name and the file's text."""

    name: str
    text: str

    @property
    def header(self) -> str:
        """What stands above the first diff."""
        match = _FIRST_DIFF.search(self.text)
        return self.text[: match.start()] if match else self.text

    @property
    def names_cve(self) -> bool:
        """Whether its name or its header names a CVE."""
        return bool(CVE.search(self.name) or CVE.search(self.header))

    @property
    def is_debians_own(self) -> bool:
        """Whether it fits the program into Debian."""
        return self.name.startswith(("debian/", "debian-local/")) or bool(_DEBIANS_OWN.search(self.header))


def security(series: Iterable[Patch], also: Collection[str] = ()) -> list[Patch]:
    """The security fixes among ``series``, in its order, by the rule above."""
    taken: list[Patch] = []
    reached = False
    for patch in series:
        reached = reached or patch.names_cve
        if patch.names_cve or patch.name in also or (reached and not patch.is_debians_own):
            taken.append(patch)
    return taken


def unaccounted(changelog: str, taken: Iterable[Patch], also: Iterable[str] = ()) -> list[str]:
    """The CVEs that the changelog names for its newest upstream version, and that no patch taken names.

    Either the upstream version itself fixes them, or a patch should be listed in ``Source.also``.

    Args:
        changelog: ``debian/changelog``.
        taken: the patches that are applied.
        also: CVEs known to be fixed by patches that do not name them.
    """
    known = {cve.upper() for patch in taken for cve in CVE.findall(patch.name + patch.text)} | set(also)
    entries = re.split(r"(?m)^(?=\S+ \()", changelog)
    versions = [re.match(r"\S+ \((?:\d+:)?([^)]*?)(?:-[^-)]*)?\)", entry) for entry in entries]
    current = next((match[1] for match in versions if match), "")
    text = "".join(entry for entry, match in zip(entries, versions, strict=True) if match and match[1] == current)
    return sorted({cve.upper() for cve in CVE.findall(text)} - known)


def read_series(debian_tarball: Path) -> tuple[list[Patch], str]:
    """The patches of a Debian tarball in their order, and its changelog.

    Raises:
        ForgeError: it is damaged.
    """
    with _opened(debian_tarball) as tar:
        series = _text(tar, "debian/patches/series") or ""
        names = [line.split("#")[0].split() for line in series.splitlines()]
        patches = [Patch(line[0], _text(tar, f"debian/patches/{line[0]}") or "") for line in names if line]
        return patches, _text(tar, "debian/changelog") or ""


def extract(debian_tarball: Path | None, names: Iterable[str], into: Path) -> None:
    """Writes the patches ``names`` flat into the folder ``into``, with a ``series`` that lists them in order.

    The patches keep their dates. The series is written also when there are none, so that a recipe can apply it without
    asking.

    Raises:
        ForgeError: the tarball is damaged, or has no such patch.
    """
    into.mkdir(parents=True)
    flat_names = []
    if debian_tarball:
        with _opened(debian_tarball) as tar:
            for name in names:
                content = _content(tar, f"debian/patches/{name}")
                if content is None:
                    raise ForgeError(
                        f"{debian_tarball.name} holds no patch {name}, which debian.json names",
                        "Run 'make lock' for this source package, so that both come from one version.",
                    )
                flat_names.append(name.replace("/", "-"))
                target = into / flat_names[-1]
                target.write_bytes(content)
                date = tar.getmember(f"debian/patches/{name}").mtime
                os.utime(target, (date, date))
    (into / "series").write_text("".join(f"{name}\n" for name in flat_names))


@contextmanager
def _opened(debian_tarball: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(debian_tarball) as tar:
            yield tar
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise ForgeError(
            f"{debian_tarball.name} can't be read: {error}", f"Remove {debian_tarball.parent}: it is fetched again."
        ) from error


def _text(tar: tarfile.TarFile, name: str) -> str | None:
    content = _content(tar, name)
    return None if content is None else content.decode(errors="replace")


def _content(tar: tarfile.TarFile, name: str) -> bytes | None:
    """What a file of the archive holds; None where there is no such file."""
    try:
        member = tar.extractfile(name)
    except KeyError:
        return None
    return member.read() if member else None
