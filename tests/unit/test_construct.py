"""What someone who edits construct.yaml is told."""

from pathlib import Path

import pytest

from forge import construct, paths
from forge.errors import ForgeError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that the project's construct.yaml names."""
    (tmp_path / "construct.yaml").write_text(paths.CONSTRUCT.read_text())
    (tmp_path / "LICENSE").touch()
    (tmp_path / "post_install").mkdir()
    (tmp_path / "post_install" / "install.sh").touch()
    return tmp_path / "construct.yaml"


def edit(file: Path, old: str, new: str) -> int:
    """Replaces ``old`` and returns the line it stood in."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def refusal(file: Path) -> str:
    with pytest.raises(ForgeError) as error:
        construct.read(file)
    return str(error.value)


def test_the_projects_own_file_is_read(checkout: Path) -> None:
    plan = construct.read(checkout)
    assert plan.default_prefix == "/opt/miniconda3"
    assert [env.name for env in plan.environments] == ["base", "jupyterhubenv"]
    assert "default_channels: []" in construct.condarc_text(plan)


def test_a_misspelt_key_is_named(checkout: Path) -> None:
    edit(checkout, "keep_pkgs: true", "keep_pkg: true")
    assert "'keep_pkg' was unexpected" in refusal(checkout)


def test_a_key_without_effect_is_named_with_its_line(checkout: Path) -> None:
    line = edit(checkout, "keep_pkgs: true", "batch_mode: true")
    assert f"line {line}: batch_mode: constructor knows this key" in refusal(checkout)


def test_a_list_that_constructor_would_take_for_a_condition_is_named_with_its_line(checkout: Path) -> None:
    line = edit(checkout, "    - repodata.json", "    - [repodata.json]")
    assert f"line {line}: constructor takes [repodata.json] for a condition" in refusal(checkout)


def test_a_value_that_would_be_ignored_is_refused(checkout: Path) -> None:
    line = edit(checkout, "register_envs: false", "register_envs: true")
    assert f"line {line}: register_envs: only false is possible" in refusal(checkout)


def test_a_value_of_the_wrong_type_is_named_with_its_line(checkout: Path) -> None:
    line = edit(checkout, "keep_pkgs: true", "keep_pkgs: [1]")
    assert f"line {line}: [1] is not of type 'boolean'" in refusal(checkout)


def test_broken_yaml_is_an_error_and_not_a_traceback(checkout: Path) -> None:
    edit(checkout, "keep_pkgs: true", "keep_pkgs: [true")
    assert "can't be read" in refusal(checkout)


def test_a_missing_script_is_named(checkout: Path) -> None:
    (checkout.parent / "post_install" / "install.sh").unlink()
    assert "post_install/install.sh does not exist" in refusal(checkout)
