"""Which of Debian's patches are security fixes, and taking them out of the Debian tarball."""

import tarfile
from collections.abc import Iterable
from pathlib import Path


def extract(debian_tarball: Path | None, names: Iterable[str], into: Path) -> None:
    """Writes the patches ``names`` flat into the folder ``into``, with a ``series`` that lists them in order.

    The series is written also when there are no patches, so that a recipe can apply it without asking.
    """
    into.mkdir(parents=True)
    series = []
    if debian_tarball:
        with tarfile.open(debian_tarball) as tar:
            for name in names:
                member = tar.extractfile(f"debian/patches/{name}")
                assert member is not None, name
                flat = name.replace("/", "-")
                (into / flat).write_bytes(member.read())
                series.append(flat)
    (into / "series").write_text("".join(f"{name}\n" for name in series))
