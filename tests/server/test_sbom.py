"""The bill of materials of the built installer, as CycloneDX's own library and the package URLs' read it.

These are of our own environment for tests; the installer itself is the one that `make installer` built.
"""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

DIST = Path(__file__).parents[2] / "dist"


@pytest.fixture(scope="module")
def text() -> str:
    shown = subprocess.run(["sh", DIST / "hub-installer.sh", "--sbom"], check=True, capture_output=True, text=True)
    return shown.stdout


@pytest.fixture(scope="module")
def components(text: str) -> dict[str, dict[str, Any]]:
    """The packages, by package URL."""
    found = {component["purl"]: component for component in json.loads(text)["components"]}
    return {purl: component for purl, component in found.items() if purl.startswith("pkg:conda/")}


@pytest.fixture(scope="module")
def records() -> dict[tuple[str, ...], Mapping[str, Any]]:
    """What the channel says of its packages, by all that a package URL names."""
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for subdir in ("linux-64", "noarch"):
        repodata = json.loads((DIST / "packages" / subdir / "repodata.json").read_text())
        for record in repodata["packages.conda"].values():
            found[(record["name"], record["version"], record["build"], subdir)] = record
    return found


def identity(purl: str) -> tuple[str, ...]:
    parsed = PackageURL.from_string(purl)
    return (parsed.name, parsed.version or "", parsed.qualifiers["build"], parsed.qualifiers["subdir"])


def test_it_is_valid_by_cyclonedxs_own_schema(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None


def test_a_document_that_is_not_would_be_refused(text: str) -> None:
    wrong = json.loads(text)
    wrong["components"][0]["hashes"][0]["content"] = "no hash"
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(wrong)) is not None


def test_it_holds_every_package_of_the_installer(
    components: dict[str, dict[str, Any]], records: dict[tuple[str, ...], Mapping[str, Any]]
) -> None:
    listed = subprocess.run(["sh", DIST / "hub-installer.sh", "--list"], check=True, capture_output=True, text=True)
    inside = {tuple(line.split()[:3]) for line in listed.stdout.splitlines()}
    assert {identity(purl)[:3] for purl in components} == inside
    assert {identity(purl) for purl in components} <= records.keys()


def test_what_is_linked_into_the_program_that_unpacks_them_is_in_it_too(text: str) -> None:
    others = [one for one in json.loads(text)["components"] if not one["purl"].startswith("pkg:conda/")]
    licences = {one["name"]: one["licenses"] for one in others}
    assert licences.keys() == {"compiler-rt", "musl", "zstd"}
    assert licences["musl"] == [{"license": {"id": "MIT"}}]
    urls = [one["purl"] for one in others]
    assert [PackageURL.from_string(url).to_string() for url in urls] == urls


def test_package_urls_are_written_as_the_standard_writes_them(components: dict[str, dict[str, Any]]) -> None:
    parsed = {purl: PackageURL.from_string(purl) for purl in components}
    assert {purl: url.to_string() for purl, url in parsed.items()} == {purl: purl for purl in components}
    assert {(url.type, url.qualifiers["type"]) for url in parsed.values()} == {("conda", "conda")}
    assert {url.qualifiers["channel"] for url in parsed.values()} == {"file:///srv/conda/hubforge"}


def test_hashes_are_those_of_the_packages(components: dict[str, dict[str, Any]]) -> None:
    wrong = []
    for purl, component in components.items():
        name, version, build, subdir = identity(purl)
        data = (DIST / "packages" / subdir / f"{name}-{version}-{build}.conda").read_bytes()
        if component["hashes"] != [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]:
            wrong.append(purl)
    assert wrong == []


def test_licences_are_the_packages_own_and_spdxs_where_they_are(
    components: dict[str, dict[str, Any]], records: dict[tuple[str, ...], Mapping[str, Any]]
) -> None:
    def stated(licence: Mapping[str, Any]) -> str:
        return str(licence.get("expression") or licence["license"].get("id") or licence["license"]["name"])

    shown = {identity(purl): component.get("licenses", []) for purl, component in components.items()}
    assert {key: [stated(one) for one in licences] for key, licences in shown.items()} == {
        key: [records[key]["license"]] if records[key].get("license") else [] for key in shown
    }
    by_name = {key[0]: licences for key, licences in shown.items()}
    assert by_name["readline"] == [{"license": {"id": "GPL-3.0-only"}}]
    assert by_name["ca-certificates"] == [{"expression": "MPL-2.0 AND GPL-2.0-or-later"}]
    assert by_name["distro"] == [{"license": {"name": "Apache License, Version 2.0"}}]
    assert [key[0] for key, licences in shown.items() if not licences] == ["jupyterhub-idle-culler"], (
        "its wheel says none, and brings the text"
    )
