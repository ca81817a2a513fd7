"""Puts the installer file together: header, parts, packages; the same plan gives the same bytes.

The file is the shell text of ``header/*.sh``, padded with empty lines; then the parts, one after the other, which the
header knows by name, offset, length and sha256; then the ``.conda`` files as they are in the channel, largest first.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from forge.condapkg import PLACEHOLDER
from forge.errors import ForgeError
from forge.files import replacing, sha256_of, write_text
from forge.installer import build_helper, link, linked, room, sbom
from forge.installer.build_helper import Helper
from forge.installer.carried import Carried, Environment, carried
from forge.paths import RECIPES
from forge.target import GLIBC, SUBDIR, SUBDIRS

FOLDER = Path(__file__).parent

INDEXER = RECIPES / "hubctl" / "src" / "hubctl" / "index_channel.py"
"""Makes the index of a channel's folder that holds more than the installer's own packages."""

HEADER = (
    *("header/guard", "header/values", "messages/en", "messages/ru", "header/telling", "header/arguments"),
    *("header/file", "header/host", "header/prefix", "header/questions", "header/work", "header/upgrade"),
    *("header/install", "header/check", "header/tasks", "header/uninstall", "header/main"),
)
"""The shell texts that make the header, in this order: the guard is the first that a shell reads, ``main`` the last."""

ON_THE_SERVER = (
    *("wording", "link", "upgrade", "upgrade_state", "upgrade_target", "upgrade_plan", "upgrade_mend", "upgrade_aside"),
    *("upgrade_change", "package_tests"),
)
"""The modules that run on the server, from one folder, with the Python that the file carries."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides the installer's bytes.

    Args:
        name: what is installed, as people read it.
        version: the release.
        epoch: its date, in seconds since 1970.
        license_text: shown, and accepted before an interactive installation.
        default_prefix: where it goes when nobody says otherwise.
        channel_name: the channel as conda's history names it (its canonical name under ``condarc``).
        channel_url: the channel that installed packages remember.
        condarc: the text of ``PREFIX/.condarc``.
        environments: ``base`` among them, with ``python`` and ``py-rattler``.
        post_install: a shell script, run in the prefix with constructor's variables; empty for none.
    """

    name: str
    version: str
    epoch: int
    license_text: str
    default_prefix: str
    channel_name: str
    channel_url: str
    condarc: str
    environments: tuple[Environment, ...]
    post_install: str


@dataclass(frozen=True)
class Part:
    """A piece of the file that the header knows by name."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the data, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def assemble(plan: Plan, target: Path, frozen: bool = False) -> None:
    """Writes ``target``, executable, and ``target.sha256`` for ``sha256sum --check``.

    Args:
        frozen: a source of the helper that the mirror no longer holds is an error, instead of moving forward.

    Raises:
        ForgeError: base lacks ``python`` or ``py-rattler``, a package is damaged or misnamed, or the helper cannot be
            compiled.
    """
    packages = carried(plan.environments)
    parts = _parts(plan, packages, build_helper.helper(frozen))
    header = _header(plan, packages, parts)
    with replacing(target, mode=0o755) as temporary, temporary.open("wb") as file:
        file.write(header)
        for part in parts:
            file.write(part.data)
        for package in packages:
            with package.path.open("rb") as source:
                shutil.copyfileobj(source, file)
    write_text(target.with_name(f"{target.name}.sha256"), f"{sha256_of(target)}  {target.name}\n")


# ---- packages ----


def _base(packages: Iterable[Carried]) -> dict[str, Carried]:
    """The packages of base by name."""
    base = {package.index.name: package for package in packages if "base" in package.environments}
    for name in ("python", "py-rattler"):
        if name not in base:
            raise ForgeError(f"The base environment has no {name}, which the installer needs.", f"Add {name} to specs.")
    return base


def _series(packages: Sequence[Carried]) -> str:
    """Python's version, as its folders have it."""
    return ".".join(_base(packages)["python"].index.version.split(".")[:2])


def _with_dependencies(names: Iterable[str], packages: Mapping[str, Carried]) -> list[Carried]:
    """The named packages and all that they depend on, virtual packages (``__glibc``) aside, sorted by name."""
    found: dict[str, Carried] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in packages and name not in found:
            found[name] = packages[name]
            waiting += [depend.split()[0] for depend in packages[name].index.depends]
    return [found[name] for name in sorted(found)]


def _prefix_limit(plan: Plan, packages: Sequence[Carried]) -> int:
    """The longest prefix, in characters, that every environment's placeholder has room for."""
    placeholders = {len(entry.placeholder) for package in packages for entry in package.paths if entry.placeholder}
    return min(placeholders | {len(PLACEHOLDER)}) - max(len(item.subfolder) for item in plan.environments)


# ---- parts ----


def _parts(plan: Plan, packages: Sequence[Carried], helper: Helper) -> tuple[Part, ...]:
    records = [{**package.record, "subdir": package.index.subdir} for package in packages]
    texts = {
        "packages": "".join(_package_lines(packages)),
        "index.json": _json(_index(plan, packages)),
        **{f"{name}.py": (FOLDER / f"{name}.py").read_text() for name in ON_THE_SERVER},
        "index_channel.py": INDEXER.read_text(),
        # the installer's own licence last: it is what the reader sees above the question
        "licence": f"{helper.notices}\n{plan.name} {plan.version}\n{'-' * 40}\n{plan.license_text}",
        "post_install": plan.post_install,
        "sbom": _json(sbom.document(plan.name, plan.version, plan.epoch, plan.channel_url, records, helper.linked)),
    }
    release = _release(plan, packages)
    return (
        Part("helper", helper.program.read_bytes()),
        *(Part(name, text.encode()) for name, text in texts.items()),
        *(Part(f"repodata-{subdir}", _compressed_repodata(subdir, packages)) for subdir in SUBDIRS),
        *(Part(name, data) for name, data in linked.archives(release, packages, _series(packages), plan.epoch).items()),
    )


def _package_lines(packages: Sequence[Carried]) -> Iterator[str]:
    """The helper's list (``helper/packages.h``): a line a package, offsets from where the packages begin.

    What it has no use for is at the end: the environments, and how many KiB the package takes on disk.
    """
    offset = 0
    for package in packages:
        size = package.record["size"]
        spans = " ".join(f"{span.offset} {span.length}" for span in package.spans)
        names = f"{package.index.subdir} {package.index.stem} {','.join(package.environments)}"
        kibibytes = room.installed_bytes([package]) // 2**10
        yield f"{package.record['sha256']} {offset} {size} {spans} {names} {kibibytes}\n"
        offset += size


def _index(plan: Plan, packages: Sequence[Carried]) -> dict[str, Any]:
    """What the modules ON_THE_SERVER read."""
    return {
        "name": plan.name,
        "version": plan.version,
        "channel_name": plan.channel_name,
        "channel_url": plan.channel_url,
        "condarc": plan.condarc,
        "subdirs": SUBDIRS,
        "distributions": {package.key: package.distributions for package in packages if package.distributions},
        "environments": [
            {
                "name": item.name,
                "specs": item.specs,
                "packages": sorted(package.key for package in packages if item.name in package.environments),
            }
            for item in plan.environments
        ],
    }


def _release(plan: Plan, packages: Sequence[Carried]) -> link.Release:
    """What the modules ON_THE_SERVER make of the index and the repodata."""
    return link.release(_index(plan, packages), {subdir: _repodata(subdir, packages) for subdir in SUBDIRS})


def _repodata(subdir: str, packages: Sequence[Carried]) -> dict[str, Any]:
    """The channel's ``repodata.json`` of one subdir, with the carried packages (CEP 36)."""
    records = {p.index.file_name: p.record for p in packages if p.index.subdir == subdir}
    return {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records, "repodata_version": 1}


def _compressed_repodata(subdir: str, packages: Sequence[Carried]) -> bytes:
    """The same as its ``repodata.json.zst`` (CEP 16)."""
    return zstandard.ZstdCompressor(level=19).compress(_json(_repodata(subdir, packages)).encode())


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n"


# ---- header ----


def _template() -> str:
    """The header's texts in one; the notes to shellcheck about a text that stands alone are left out."""
    texts = [re.sub(r"\A# shellcheck .*\n", "", (FOLDER / f"{name}.sh").read_text()) for name in HEADER]
    return "\n".join(texts)


def _header(plan: Plan, packages: Sequence[Carried], parts: Sequence[Part]) -> bytes:
    """The shell text, padded to whole blocks, with its own length and both of its sha256 in it."""
    template = _template()
    guard = template[: template.index("\nesac\n") + len("\nesac\n")]
    values = _values(plan, packages, parts) | {"HEADER_SHA256": "0" * 64, "REST_SHA256": "0" * 64, "REST_START": "0"}
    values["HEADER_SHA256_OFFSET"] = str(template.index("@HEADER_SHA256@"))
    parts_length = sum(len(part.data) for part in parts)
    packages_length = sum(package.record["size"] for package in packages)
    length = 0
    while True:
        values["HEADER_LENGTH"] = str(length)
        values["PACKAGES_OFFSET"] = str(length + parts_length)
        values["TOTAL_LENGTH"] = str(length + parts_length + packages_length)
        header, guard_length = _filled(template, values).encode(), len(_filled(guard, values))
        if len(header) <= length and int(values["REST_START"]) == guard_length + 1:
            break
        values["REST_START"] = str(guard_length + 1)  # tail counts from one
        length = -(-len(header) // room.BLOCK) * room.BLOCK
    header = header.ljust(length, b"\n")
    rest = hashlib.sha256(header[int(values["REST_START"]) - 1 :]).hexdigest()
    header = header.replace(b"rest_sum='" + b"0" * 64, b"rest_sum='" + rest.encode(), 1)
    return _with_own_sha256(header, b"".join(part.data for part in parts))


def _with_own_sha256(header: bytes, parts: bytes) -> bytes:
    """Puts the sha256 of all of the header but these 64 digits, and of the parts, to the place that waits for it."""
    offset = header.index(b"0" * 64)
    before, after = header[:offset], header[offset + 64 :]
    return before + hashlib.sha256(before + after + parts).hexdigest().encode() + after


def _values(plan: Plan, packages: Sequence[Carried], parts: Sequence[Part]) -> dict[str, str]:
    """What stands for the template's ``@NAMES@``, quoted for the shell; lengths of the whole file aside."""
    base = _base(packages)
    bootstrap = _with_dependencies(("python", "py-rattler"), base)
    series = _series(packages)
    site_packages = {"noarch": "site-packages", SUBDIR: f"lib/python{series}/site-packages"}
    python_folders = [
        f"{package.index.stem}/{folder}"
        for package in bootstrap
        if package.index.name != "python" and package.has_below(folder := site_packages[package.index.subdir])
    ]
    library_folders = [f"{package.index.stem}/lib" for package in bootstrap if package.has_libraries]
    certificates = [
        f"{package.index.stem}/{entry.path}"
        for package in base.values()
        for entry in package.paths
        if entry.path.endswith("/cacert.pem") and entry.path_type == "hardlink"
    ]
    table, offset = [], 0
    for part in parts:
        table.append(f"{part.name} {offset} {len(part.data)} {part.sha256}")
        offset += len(part.data)
    values = {
        "NAME": plan.name,
        "VERSION": plan.version,
        "RELEASED": str(plan.epoch),
        "DEFAULT_PREFIX": plan.default_prefix,
        "PREFIX_LIMIT": str(_prefix_limit(plan, packages)),
        "GLIBC": GLIBC,
        "PACKAGE_COUNT": str(len(packages)),
        "INSTALLED_MIB": str(-(-room.installed_bytes(packages) // 2**20)),
        "COPIED_MIB": str(-(-room.copied_bytes(packages, plan.environments) // 2**20)),
        "PYTHON": f"{base['python'].index.stem}/bin/python{series}",
        "PYTHON_FOLDERS": " ".join(python_folders),
        "LIBRARY_FOLDERS": " ".join(library_folders),
        "CERTIFICATES": next(iter(sorted(certificates)), ""),
        "PACKAGES_SHA256": _packages_sha256(packages),
        "PARTS": "\n".join(table),
    }
    return {key: _quoted(value) for key, value in values.items()}


def _packages_sha256(packages: Sequence[Carried]) -> str:
    """Of all packages as they lie in the file, one after the other."""
    digest = hashlib.sha256()
    for package in packages:
        digest.update(package.path.read_bytes())
    return digest.hexdigest()


def _quoted(value: str) -> str:
    """A word for the shell, in single quotes even where it could go without."""
    return "'" + value.replace("'", "'\\''") + "'"


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z0-9_]+)@", lambda match: values[match[1]], template)
