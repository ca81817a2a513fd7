"""`hubctl verify`: files that are not as their package brought them are named."""

import hashlib
import json
from pathlib import Path

import pytest
from hubctl import verify
from hubctl.errors import HubError


def test_verify_compares_what_the_package_held_where_its_record_says_no_more(tmp_path: Path) -> None:
    """rattler notes ``sha256_in_prefix`` for the files alone that it has changed while it linked them."""
    contents = {"same": b"as it was", "altered": b"as it was", "linked": b"with a prefix", "compiled": b"of no package"}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    entries = [
        {"_path": "same", "path_type": "hardlink", "sha256": hashes["same"]},
        {"_path": "altered", "path_type": "hardlink", "sha256": hashes["altered"]},
        {"_path": "linked", "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": hashes["linked"]},
        {"_path": "compiled", "path_type": "pyc_file"},
        {"_path": "gone", "path_type": "hardlink", "sha256": hashes["same"]},
        {"_path": "dangling", "path_type": "softlink", "sha256": hashes["same"]},
    ]
    for name, content in (contents | {"altered": b"edited"}).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "conda-meta").mkdir()
    record = tmp_path / "conda-meta/demo-1.0-0.json"
    record.write_text(json.dumps({"files": [entry["_path"] for entry in entries], "paths_data": {"paths": entries}}))
    assert list(verify._wrong(tmp_path, record)) == [
        f"{tmp_path}/gone of demo-1.0-0 is missing",
        f"{tmp_path}/dangling of demo-1.0-0 leads nowhere",
        f"{tmp_path}/altered of demo-1.0-0 was altered",
    ]
    record.write_text('{"paths_data": {"pa')
    assert list(verify._wrong(tmp_path, record)) == [f"{record} is no record of conda's"]


def test_without_records_verify_says_so_and_not_that_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    monkeypatch.setattr("hubctl.layout.environment", lambda: tmp_path)
    with pytest.raises(HubError, match="has no records"):
        verify.wrong_files()
