"""Turn conda-lock's vendored copy of conda's source back into the package ``conda``.

conda is not published as a Python distribution. conda-lock carries its whole source as ``conda_lock/_vendor/conda``
with the absolute imports rewritten. The functions here undo that, and take the addresses of public channels out:
a server that can't reach them must not be pointed at them. They only read and return text, and fail when the text
is not what they were written for.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

VENDORED = PurePosixPath("conda_lock/_vendor/conda")

#: Upstream's helpers for its own test suite: nothing imports them at run time, and they need pytest.
LEFT_OUT = ("testing/",)

#: Stands for a public host in comments and docstrings; RFC 2606 reserves the top-level domain.
HOST_IN_EXAMPLES = "conda.example"

_VENDORED_NAME = re.compile(r"\bconda_lock\._?vendor\.conda\b")
_PUBLIC_HOST = re.compile(r"\b(?:[\w-]+\.)*(?:anaconda|anaconda-repo|conda)[.](?:org|com|io|dev|cloud)\b")
_HOST_IN_PROSE = re.compile(rf"(?<=\s){_PUBLIC_HOST.pattern}(?!/)")


class RestoreError(Exception):
    """The wheel does not hold the conda that this recipe was written for."""


def unpack(wheel: Path, into: Path) -> None:
    """Extract the vendored conda of ``wheel`` into the folder ``into``, without the parts in ``LEFT_OUT``.

    Raises:
        RestoreError: the wheel carries no vendored conda.
    """
    root = f"{VENDORED}/"
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.startswith(root) and not n.endswith("/")]
        for name in names:
            inner = name.removeprefix(root)
            if inner.startswith(LEFT_OUT):
                continue
            target = into / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
    if not (into / "__init__.py").is_file():
        raise RestoreError(f"{wheel.name}: no {VENDORED}/__init__.py in it")


def licence(wheel: Path) -> str:
    """Return conda's own licence text, which conda-lock keeps beside the vendored folder.

    Raises:
        RestoreError: the text is missing or is not conda's BSD licence.
    """
    name = f"{VENDORED}.LICENSE"
    with zipfile.ZipFile(wheel) as archive:
        if name not in archive.namelist():
            raise RestoreError(f"{wheel.name}: no {name} in it")
        text = archive.read(name).decode()
    if "Redistribution and use in source and binary forms" not in text:
        raise RestoreError(f"{wheel.name}: {name} is not a BSD licence")
    return text


def restore_imports(text: str) -> tuple[str, int]:
    """Give vendored module names in ``text`` their own names back; return the text and how many there were."""
    return _VENDORED_NAME.subn("conda", text)


def remove_public_hosts(text: str) -> str:
    """Replace the hosts of public conda channels in ``text``.

    In an address the host becomes ``HOST_IN_EXAMPLES``; as a word of a sentence, "a public channel".
    """
    return _PUBLIC_HOST.sub(HOST_IN_EXAMPLES, _HOST_IN_PROSE.sub("a public channel", text))


def public_hosts(text: str) -> list[str]:
    """Return the hosts of public conda channels that ``text`` names."""
    return _PUBLIC_HOST.findall(text)


def restore(tree: Path) -> None:
    """Rewrite every Python file below ``tree`` in place.

    Raises:
        RestoreError: there was nothing to rewrite, or a vendored name is left in a form not known here.
    """
    restored = 0
    for path in sorted(tree.rglob("*.py")):
        text, count = restore_imports(path.read_text(encoding="utf-8"))
        restored += count
        if "conda_lock." in text or "import conda_lock" in text:
            raise RestoreError(f"{path.relative_to(tree)}: still names conda_lock after the rewrite")
        path.write_text(remove_public_hosts(text), encoding="utf-8")
    if not restored:
        raise RestoreError("no import of conda_lock._vendor.conda anywhere: is this conda-lock's vendored copy?")


def version(tree: Path) -> str:
    """Return ``__version__`` of the conda below ``tree``, read without importing it.

    Raises:
        RestoreError: ``_version.py`` has no such line.
    """
    found = re.search(r"^__version__ = .*?'([^']+)'$", (tree / "_version.py").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RestoreError("_version.py: no line that sets __version__")
    return found.group(1)
