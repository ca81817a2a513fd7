"""What is read out of a recipe: what it makes and what it needs."""

from pathlib import Path

import pytest
from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig

from forge.errors import ForgeError
from forge.paths import RECIPES
from forge.recipes import load_all
from forge.sources import Origin

TWO_OUTPUTS = """
recipe: {name: it, version: "1"}
outputs:
  - package: {name: libit}
    requirements:
      build: ['${{ compiler("c") }}', source_tools]
      host: [zlib >=1.3, "Other.Name"]
      run: ["__glibc >=2.28"]
  - package: {name: it}
    requirements:
      host: ['${{ pin_subpackage("libit", exact=True) }}']
      run: [libit, runtime 1.*]
    tests:
      - requirements: {build: [checker], run: [helper]}
        script: ["true"]
extra: {hubforge: {debian: it-source, include: [config]}}
"""


def write(folder: Path, **recipes: str) -> Path:
    (folder / "variants.yaml").write_text("c_compiler: [zig]\n")
    for name, text in recipes.items():
        (folder / name).mkdir()
        (folder / name / "recipe.yaml").write_text(text)
    return folder


def test_every_output_counts_and_none_is_its_own_need(tmp_path: Path) -> None:
    recipe = load_all(write(tmp_path, it=TWO_OUTPUTS))["it"]
    assert recipe.outputs == ("libit", "it")
    assert recipe.inputs == {"zig_linux-64", "source_tools", "zlib", "other.name"}
    assert recipe.needs == recipe.inputs | {"runtime", "checker", "helper"}


def test_the_lock_entry_and_the_further_folders_are_read(tmp_path: Path) -> None:
    recipe = load_all(write(tmp_path, it=TWO_OUTPUTS))["it"]
    assert recipe.origin == Origin("debian", "it-source")
    assert [path.name for path in recipe.include] == ["config"]


def test_a_requirement_that_names_nothing_is_refused(tmp_path: Path) -> None:
    text = "package: {name: it, version: '1'}\nrequirements: {host: ['${{ something }}']}"
    with pytest.raises(ForgeError, match="does not name a package"):
        load_all(write(tmp_path, it=text))


def test_a_package_has_one_recipe(tmp_path: Path) -> None:
    text = "package: {name: it, version: '1'}"
    with pytest.raises(ForgeError, match="one and two both make the package it"):
        load_all(write(tmp_path, one=text, two=text))


def test_a_damaged_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"it/recipe\.yaml can't be read"):
        load_all(write(tmp_path, it="package: {name: ["))


def test_the_recipes_of_this_project_can_be_read() -> None:
    recipes = load_all()
    assert {"libzlib", "zlib"} == set(recipes["zlib"].outputs)
    assert recipes["python"].inputs > {"openssl", "libsqlite", "zig_linux-64"}


@pytest.mark.parametrize("name", [path.parent.name for path in sorted(RECIPES.glob("*/recipe.yaml"))])
def test_the_builder_can_read_every_recipe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBFORGE_SOURCES", "/sources")
    monkeypatch.setenv("HUBFORGE_VERSION", "1")
    monkeypatch.setenv("HUBFORGE_DIGEST", "0123456")
    recipe = Stage0Recipe.from_file(RECIPES / name / "recipe.yaml")
    platform = RenderConfig(platform=PlatformConfig(target_platform="linux-64"))
    assert recipe.render(VariantConfig.from_file(RECIPES / "variants.yaml"), platform)
