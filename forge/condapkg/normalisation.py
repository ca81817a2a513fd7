"""Anybody's build of a package, made the same bytes."""

import json
from dataclasses import replace
from pathlib import Path

from forge.condapkg.container import Package, json_bytes, read, write_container
from forge.condapkg.documents import PLACEHOLDER, Member
from forge.errors import ForgeError
from forge.symbols import without_symbols

_KEPT_INFO = ("about.json", "index.json", "link.json", "paths.json", "run_exports.json", "licenses/", "tests/")
_BUILD_MACHINE_KEYS = ("channels", "conda_build_version", "conda_version", "env_vars", "root_pkgs")


def normalise(package: Path, target: Path, epoch: int) -> None:
    """Writes ``package`` to ``target`` so that one content has one file, wherever and whenever it was built.

    The date is ``epoch`` (seconds since 1970), owners are gone, files are 0644 or 0755, programs and libraries have no
    symbols for debuggers, what ``info/`` says about the build machine is gone, and the folder that it was built in
    (``prefix_placeholder``) is ``PLACEHOLDER`` everywhere.

    Args:
        package: the file as the build left it.
        target: ``<name>-<version>-<build>.conda`` of the same package.
        epoch: the release's date.

    Raises:
        ForgeError: the package is damaged; its placeholder has another length than ``PLACEHOLDER``; ``target`` has
            another package's name.
    """
    source = read(package)
    if target.name != source.index.file_name:
        raise ForgeError(f"{package.name} cannot become {target.name}: it is {source.index.file_name}.")
    built_in = _built_in(source)
    info = {name: data.replace(*built_in) for name, data in source.info.items() if name.startswith(_KEPT_INFO)}
    document = json.loads(info["index.json"]) | {"timestamp": epoch * 1000}
    for key in ("depends", "constrains"):  # the builder writes what run_exports add in varying order
        document[key] = sorted(document.get(key, []))
    info["index.json"] = json_bytes(document)
    about = {key: value for key, value in source.about.items() if key not in _BUILD_MACHINE_KEYS}
    info["about.json"] = json_bytes(about).replace(*built_in)
    write_container(target, (_relocated(member, *built_in) for member in _sorted_members(source)), info, epoch)


def _built_in(source: Package) -> tuple[bytes, bytes]:
    """What stands for the prefix in the package and what shall, for ``bytes.replace``."""
    found = {entry.placeholder for entry in source.paths if entry.placeholder}
    if len(found) > 1:
        raise ForgeError(f"{source.path.name} holds {len(found)} placeholder prefixes, one is possible.")
    placeholder = found.pop() if found else PLACEHOLDER
    if len(placeholder) != len(PLACEHOLDER):
        raise ForgeError(
            f"{source.path.name} was built in a placeholder prefix of {len(placeholder)} characters, not 255.",
            "Build it in a folder with a shorter path.",
        )
    return placeholder.encode(), PLACEHOLDER.encode()


def _relocated(member: Member, built_in: bytes, placeholder: bytes) -> Member:
    link = member.link and member.link.replace(built_in.decode(), placeholder.decode())
    data = without_symbols(member.data.replace(built_in, placeholder))
    return replace(member, data=data, link=link, placeholder=PLACEHOLDER)


def _sorted_members(source: Package) -> list[Member]:
    return sorted(source.members(), key=lambda member: member.path)
