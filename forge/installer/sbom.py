"""The installer's bill of materials: CycloneDX 1.5, as JSON (https://cyclonedx.org/docs/1.5/json/)."""

import datetime
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from forge.installer.build_helper import Linked


def document(
    name: str,
    version: str,
    epoch: int,
    channel: str,
    records: Iterable[Mapping[str, Any]],
    linked: Sequence[Linked] = (),
) -> dict[str, Any]:
    """The bill of ``records``, which are as in a channel's repodata, with ``subdir``, ``sha256`` and ``license``.

    ``linked`` is in the program that unpacks them. The same content gives the same document: its date is ``epoch``
    (seconds since 1970), its number a UUID made of it.
    """
    packages = sorted(records, key=lambda record: (str(record["name"]), str(record["sha256"])))
    references: dict[str, list[str]] = {}
    for record in packages:
        references.setdefault(str(record["name"]), []).append(_purl(record, channel))
    content = f"{name} {version} " + " ".join(str(record["sha256"]) for record in packages)
    content += "".join(f" {library.name} {library.version}" for library in linked)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": name, "name": name, "version": version},
        },
        "components": [*(_component(record, _purl(record, channel)) for record in packages), *map(_library, linked)],
        "dependencies": [
            {
                "ref": name,
                "dependsOn": sorted(
                    [purl for purls in references.values() for purl in purls] + list(map(_ref, linked))
                ),
            },
            *(_dependencies(record, _purl(record, channel), references) for record in packages),
        ],
    }


def _component(record: Mapping[str, Any], purl: str) -> dict[str, Any]:
    stated = record.get("license")
    return {
        "type": "library",
        "bom-ref": purl,
        "name": record["name"],
        "version": record["version"],
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": record["sha256"]}],
        **({"licenses": [_licence(stated)]} if stated else {}),
    }


def _licence(stated: str) -> dict[str, Any]:
    """SPDX's identifier or expression where the package states its licence so, else its own words."""
    try:
        expression = canonicalize_license_expression(stated)
    except InvalidLicenseExpression:
        return {"license": {"name": stated}}
    if re.fullmatch(r"(?!LicenseRef-)[\w.-]+", expression):
        return {"license": {"id": expression}}
    return {"expression": expression}


def _library(linked: Linked) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _ref(linked),
        "name": linked.name,
        "version": linked.version,
        "purl": _ref(linked),
        "description": "part of the program that unpacks the packages",
        "licenses": [_licence(linked.license)],
    }


def _ref(linked: Linked) -> str:
    """Its package URL: that of something that no registry of packages names."""
    return f"pkg:generic/{quote(linked.name)}@{quote(linked.version)}"


def _purl(record: Mapping[str, Any], channel: str) -> str:
    """The package URL (purl-spec, type ``conda``), where colons and slashes stand as they are."""
    qualifiers = {"build": record["build"], "channel": channel, "subdir": record["subdir"], "type": "conda"}
    query = "&".join(f"{key}={quote(str(value), safe=':/')}" for key, value in qualifiers.items())
    return f"pkg:conda/{quote(str(record['name']))}@{quote(str(record['version']))}?{query}"


def _dependencies(record: Mapping[str, Any], purl: str, references: Mapping[str, list[str]]) -> dict[str, Any]:
    """What it depends on, by name: where two environments hold two versions, on both."""
    names = {str(depend).split()[0] for depend in record.get("depends", ())}
    return {"ref": purl, "dependsOn": sorted(found for name in names for found in references.get(name, ()))}
