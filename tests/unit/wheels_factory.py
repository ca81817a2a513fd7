"""Makes small real wheels for the tests of the conversion."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def make_wheel(folder: Path, name: str = "demo", version: str = "1.0", **content: Any) -> Path:
    """``wheel_bytes`` as a file in ``folder``."""
    file, data = wheel_bytes(name, version, **content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    return folder / file


def wheel_bytes(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    python: str = ">=3.9",
    files: Mapping[str, bytes] | None = None,
    metadata: Sequence[str] = (),
    executable: Sequence[str] = (),
) -> tuple[str, bytes]:
    """A wheel's file name and bytes, its RECORD truthful; ``files`` are added to its metadata files or replace them."""
    dist_info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", f"Requires-Python: {python}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    purelib = "true" if tag.endswith("-any") else "false"
    contents = {
        f"{dist_info}/METADATA": "\n".join([*lines, *metadata, ""]).encode(),
        f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {purelib}\nTag: {tag}\n".encode(),
        **(files or {f"{name}.py": b"x = 1\n"}),
    }
    rows = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{dist_info}/RECORD"] = "\n".join([*rows, f"{dist_info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, data in contents.items():
            item = zipfile.ZipInfo(entry, (2024, 5, 6, 7, 8, 10))
            item.external_attr = (0o100755 if entry in executable else 0o100644) << 16
            archive.writestr(item, data)
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
