"""Recipes: one YAML file that says how one model is made of blocks, and the schemas of all such files."""

from mmlego.recipes.keeping import block_hash
from mmlego.recipes.reading import check_recipe, read_recipe
from mmlego.recipes.recipe import Recipe
from mmlego.recipes.running import Made, run_recipe
from mmlego.recipes.schemas import json_schema

__all__ = ["Made", "Recipe", "block_hash", "check_recipe", "json_schema", "read_recipe", "run_recipe"]
