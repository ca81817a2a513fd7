"""Recipe → conda package: which recipes there are, in which order they are built, and what is built already."""

from forge.recipes.build import build_all
from forge.recipes.recipe import Recipe, load_all

__all__ = ["Recipe", "build_all", "load_all"]
