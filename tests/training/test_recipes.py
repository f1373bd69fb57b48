"""Recipes are sets of options."""

import inspect
from pathlib import Path

from bot.cli.training import train
from bot.training.recipes import RECIPES

GUIDE = Path(__file__).parents[2] / "docs" / "train.md"


def test_a_recipe_sets_options_that_exist() -> None:
    for recipe in RECIPES.values():
        assert set(recipe) <= set(inspect.signature(train).parameters)


def test_the_guide_lists_what_the_tutorials_recipe_sets() -> None:
    rows = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith("| `--")]
    described = "".join(row.split("|")[1] for row in rows if row.count("|") == 4)
    for option in RECIPES["tutorial"]:
        assert f"`--{option.replace('_', '-')}`" in described
