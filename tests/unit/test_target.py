"""What cannot be derived from forge.target, since it knows nothing of forge, says the same."""

import re

from forge import construct, recipes
from forge.paths import CONSTRUCT, RECIPES
from forge.target import GLIBC, SERIES


def test_the_installer_carries_the_python_that_everything_is_made_for() -> None:
    plan = construct.read(CONSTRUCT)
    base = next(environment for environment in plan.environments if environment.name == "base")
    assert f"python {SERIES}.*" in base.specs


def test_recipes_are_compiled_for_the_oldest_glibc_and_say_so() -> None:
    assert f"gnu.{GLIBC}" in (RECIPES / "zig_linux-64" / "zcc").read_text()
    texts = [(RECIPES / name / "recipe.yaml").read_text() for name in recipes.load_all()]
    assert {spec for text in texts for spec in re.findall(r"- __glibc (\S+)", text)} == {f">={GLIBC}"}
