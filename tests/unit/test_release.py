"""What a release pins and how it is dated."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from forge import channel, condapkg, environments, release
from forge.condapkg import Index
from forge.errors import ForgeError


def test_a_release_is_dated_by_its_version_and_not_by_the_clock() -> None:
    assert release.epoch("2026.11") == 1793491200
    assert release.epoch("2026.11.2") == release.epoch("2026.11")


def test_a_version_of_another_form_is_refused() -> None:
    with pytest.raises(ForgeError, match=r"YYYY\.MM"):
        release.epoch("1.0")


def test_the_metapackage_asks_for_what_a_hub_needs() -> None:
    names = {spec.split()[0] for spec in release.requirements()}
    assert {"jupyterhub", "configurable-http-proxy", "dockerspawner", "hubctl", "jupyterlab"} <= names


def test_the_metapackage_pins_what_was_solved_and_carries_its_recipes_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = condapkg.write(tmp_path, Index("hub", "1", "h0_0"), [], epoch=0)
    channel.publish([made], tmp_path / "channel")
    package = condapkg.read(release.metapackage("2026.11", environments.solve(["hub"], [tmp_path / "channel"])))
    assert package.index.depends == ("hub ==1 h0_0",)
    [test] = YAML(typ="safe").load(package.info["tests/tests.yaml"])
    assert "python -m pip check" in test["script"]


def test_the_metapackage_of_base_pins_what_was_solved_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = condapkg.write(tmp_path, Index("conda", "1", "h0_0"), [], epoch=0)
    channel.publish([made], tmp_path / "channel")
    package = condapkg.read(release.base_metapackage("2026.11", environments.solve(["conda"], [tmp_path / "channel"])))
    assert (package.index.stem, package.index.depends) == ("hubforge-base-2026.11-0", ("conda ==1 h0_0",))


def test_changes_name_what_came_went_and_moved() -> None:
    before = {"same": "1 0", "gone": "1 0", "moved": "1 0"}
    after = {"same": "1 0", "moved": "2 0", "new": "1 0"}
    assert release.changes(before, after) == ["gone: 1 0 -> absent", "moved: 1 0 -> 2 0", "new: absent -> 1 0"]
