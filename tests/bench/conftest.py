"""A model of the bench, small enough for a test."""

import pytest
from rounded import rounded

from bot.bench.models import BenchModel, made_model
from bot.bench.prompts import real_prompts
from bot.model.seq2seq import ModelConfig


@pytest.fixture(scope="session")
def prompts() -> list[str]:
    return real_prompts(40)


@pytest.fixture(scope="session")
def small_model(prompts: list[str]) -> BenchModel:
    return made_model(prompts, rounded, ModelConfig(300, 16, 24, 2, 2, "dot", 0.0), mean_steps=6.0)
