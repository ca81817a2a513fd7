"""The ``.conda`` file: write it, read it, and make anybody's build of it the same bytes.

Sources: CEP 34 (contents of conda packages), CEP 35 (the ``.conda`` container), CEP 26 (names of packages and files).
What is written here goes beyond them in three points, so that one content has one file: members have the release's
date, no owner and one of two modes; they are sorted by path; the three members of the zip are stored in a fixed order.
"""

from forge.condapkg.container import ZSTD_LEVEL, Package, Parts, Span, parts, read, write
from forge.condapkg.documents import PLACEHOLDER, About, FileMode, Index, Member, PathEntry
from forge.condapkg.normalisation import normalise

__all__ = [
    "PLACEHOLDER",
    "ZSTD_LEVEL",
    "About",
    "FileMode",
    "Index",
    "Member",
    "Package",
    "Parts",
    "PathEntry",
    "Span",
    "normalise",
    "parts",
    "read",
    "write",
]
