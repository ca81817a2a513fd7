"""What the file says of itself: ``--list`` and ``--sbom``; and output that nobody gets."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_list_names_every_package_with_its_environments(installer: Path, shell: str) -> None:
    shown = run(installer, "--list", shell=shell)
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["demo", "1.0", "h0_0", "jupyterhubenv"] in rows
    assert ["python", "3.13.5", "0_cp313", "base,jupyterhubenv"] in rows
    assert ["only-in-1.0", "1.0", "0", "jupyterhubenv"] in rows
    assert len(rows) == 6


@pytest.mark.parametrize("shell", SHELLS)
def test_sbom_names_every_package_with_hash_and_dependencies(installer: Path, shell: str) -> None:
    bill = json.loads(run(installer, "--sbom", shell=shell).stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "2026.11")
    components = {component["name"]: component for component in bill["components"]}
    packages = {"conda", "demo", "libz", "only-in-1.0", "py-rattler", "python"}
    assert set(components) == packages | {"compiler-rt", "musl", "zstd"}
    assert components["zstd"]["licenses"] == [{"expression": "BSD-3-Clause OR GPL-2.0-only"}]
    demo = components["demo"]
    assert demo["purl"].startswith("pkg:conda/demo@1.0?build=h0_0&channel=file:///srv/conda/hubforge&")
    assert re.fullmatch(r"[0-9a-f]{64}", demo["hashes"][0]["content"])
    needs = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert needs[demo["bom-ref"]] == [components["python"]["bom-ref"]]
    assert len(needs["Hubforge"]) == 9


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("task", ["--list", "--sbom", "--check", "-h"])
def test_what_cannot_be_shown_to_the_end_says_so(installer: Path, tmp_path: Path, task: str, shell: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*shell.split(), str(installer), "-p", str(tmp_path / "prefix"), task]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "is the disk of the output full?" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_reader_that_has_seen_enough_is_no_failure(installer: Path, shell: str) -> None:
    done = subprocess.run(f"{shell} {installer} --sbom | true", shell=True, capture_output=True, text=True)
    assert done.stderr == ""
