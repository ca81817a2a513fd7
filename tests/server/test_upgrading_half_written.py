"""Records and packages that a killed conda or a power cut has left half-written: an upgrade gets over them."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hubctl import departure, upgrade
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.upgrade import Plan
from hubctl.upgrading import course, lifeboat, prefix
from hubctl.upgrading.journal import Before, Journal
from upgrading_support import content

pytest_plugins = ["upgrading_support"]


def make_half_record(base: Path, package: str) -> Path:
    record = base / f"conda-meta/{package}.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text('{"name": "de')
    return record


def test_the_copy_of_base_has_the_files_of_a_half_written_record_by_what_the_cache_says(tmp_path: Path) -> None:
    base = tmp_path / "base"
    names = {"bin/demo": "bin/demo", "python-scripts/run": "bin/run", "lib/demo.so": "lib/demo.so"}
    names["site-packages/demo/core.py"] = "lib/python3.13/site-packages/demo/core.py"
    for name in names.values():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(name)
    make_half_record(base, "demo-1-0")
    (base / "pkgs/demo-1-0/info").mkdir(parents=True)
    paths = [{"_path": name} for name in names]
    (base / "pkgs/demo-1-0/info/paths.json").write_text(json.dumps({"paths": paths}))
    lifeboat.launch(base, tmp_path / "upgrade")
    copy = tmp_path / "upgrade/conda"
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == set(names.values())


def test_a_half_written_record_whose_package_nobody_knows_is_named_and_nothing_begins(server: Layout) -> None:
    record = make_half_record(server.root.parent / "prefix", "demo-1-0")
    with pytest.raises(HubError, match=f"{record} is half-written, .*hub-installer.sh -f"):
        upgrade._prepare(server, Plan("2026.11", [], set()), restart=False)
    assert not departure.under_way()
    assert record.exists()


CONDA = """\
#!{python}
import json, pathlib, sys
prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
records = [json.loads(path.read_text())["name"] for path in prefix.glob("conda-meta/*.json")]
link = {{"name": "demo", "version": "1", "build_string": "0", "dist_name": "demo-1-0"}}
print(json.dumps({{"success": records == ["other"], "actions": {{"LINK": [link]}}}}))
"""
"""Plays conda, which reads every record, and would keep a metapackage that lacks a package whatever it is asked for."""


def test_what_an_upgrade_changes_is_told_beside_half_written_records_which_stay_until_it_begins(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(upgrade, "_wanted", lambda _: ("2026.12", True))
    (installation / "bin").mkdir()
    (installation / "bin/conda").write_text(CONDA.format(python=sys.executable))
    (installation / "bin/conda").chmod(0o755)
    (installation / "bin/python").touch()
    records = []
    for prefix_ in (installation, installation / "envs/jupyterhubenv"):
        records.append(make_half_record(prefix_, "demo-1-0"))
        (prefix_ / "conda-meta/other-1-0.json").write_text('{"name": "other"}')
        metapackage = "hubforge-base" if prefix_ == installation else "hubforge"
        (prefix_ / f"conda-meta/{metapackage}-2026.11-0.json").write_text('{"name": "metapackage"}')
    before = content(installation)
    plan = upgrade._plan(None)
    assert [(change.environment, change.package, change.after) for change in plan.changes] == [
        ("jupyterhubenv", "demo", "1"),
        ("base", "demo", "1"),
    ]
    assert plan.coming == {"demo-1-0"}
    said = capsys.readouterr().err
    assert [line.partition(" is half-written")[0] for line in said.splitlines()] == [
        f"hubctl: {record}" for record in reversed(records)
    ]
    assert content(installation) == before


def test_half_a_record_is_taken_away_and_whole_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/whole.json").write_text("{}")
    (tmp_path / "conda-meta/half.json").write_text('{"name": "ha')
    prefix.forget(tmp_path, prefix.half_records(tmp_path))
    assert [path.name for path in (tmp_path / "conda-meta").iterdir()] == ["whole.json"]


def unpack(cache: Path, package: str) -> Path:
    """A package as conda has unpacked it, beside its archive."""
    folder, content = cache / package, b"print('demo')\n"
    (folder / "info").mkdir(parents=True)
    (folder / "demo.py").write_bytes(content)
    (folder / "link").symlink_to("demo.py")
    digest = hashlib.sha256(content).hexdigest()
    file = {"_path": "demo.py", "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(content)}
    link = {"_path": "link", "path_type": "softlink", "sha256": "0" * 64, "size_in_bytes": 7}
    (folder / "info/paths.json").write_text(json.dumps({"paths": [file, link], "paths_version": 1}))
    (folder / "info/index.json").write_text(json.dumps({"name": package}))
    (cache / f"{package}.conda").touch()
    return folder


def write_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), write_zeros])
@pytest.mark.parametrize("name", ["demo.py", "info/index.json", "info/paths.json"])
def test_a_package_that_a_power_cut_has_left_half_written_is_unpacked_and_linked_anew(
    server: Layout, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    cache, environment = tmp_path / "prefix/pkgs", tmp_path / "prefix/envs/jupyterhubenv"
    coming = ["half-1-0", "whole-1-0", "not-yet-unpacked-1-0"]
    records = [place / "conda-meta/half-1-0.json" for place in (tmp_path / "prefix", environment)]
    records += [tmp_path / "prefix/conda-meta/hubforge-base-2026.12-0.json"]
    records += [environment / "conda-meta/hubforge-2026.12-0.json"]
    for record in records:
        record.parent.mkdir(parents=True, exist_ok=True)
    hub, base = (Before(str(place), 0, []) for place in (environment, tmp_path / "prefix"))
    unpack(cache, "whole-1-0")
    half = unpack(cache, "half-1-0")
    departure.folder().mkdir(parents=True)
    Journal(str(server.root), "2026.12", hub, base, altered=[], restart=False, coming=coming).write(departure.folder())
    for record in records:
        record.write_text("{}")
    damage(half / name)
    assert course.main(departure.folder(), back=False) == 0
    assert sorted(path.name for path in cache.iterdir()) == ["whole-1-0", "whole-1-0.conda"]
    assert not any(record.exists() for record in records)
