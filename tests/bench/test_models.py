import shutil
from pathlib import Path
from statistics import mean

import pytest
from rounded import rounded

from bot.artifact.artifact import Artifact, search_batch
from bot.artifact.store import ModelStore
from bot.bench.models import MAX_STEPS, BenchModel, made_model, steps_of, stored_model
from bot.bench.prompts import hashed_ids, real_prompts
from bot.errors import ManifestError
from bot.model.seq2seq import ModelConfig
from bot.text.tokenizer import EOS_ID, SPECIAL_SYMBOLS


@pytest.mark.parametrize("mean_steps", [4.0, 7.5])
def test_a_made_models_replies_have_the_mean_length_that_was_asked_for(
    prompts: list[str], mean_steps: float
) -> None:
    model = made_model(prompts, rounded, ModelConfig(300, 16, 24, 2, 2, "dot", 0.0), mean_steps)
    assert mean(steps_of(model.fp32, model.sources)) == pytest.approx(mean_steps, abs=0.25)


def test_a_made_model_does_not_write_the_same_reply_to_everything(small_model: BenchModel) -> None:
    with small_model.writing_on():
        replies = search_batch(small_model.fp32, small_model.sources, MAX_STEPS, "cpu")
    assert len({tuple(reply) for reply in replies}) > len(replies) / 2
    assert sum(len(set(reply)) for reply in replies) > 3 * len(replies)


def test_a_made_model_is_the_same_each_time(prompts: list[str], small_model: BenchModel) -> None:
    again = made_model(prompts, rounded, small_model.config, mean_steps=6.0)
    weights = small_model.eager.state_dict()
    assert all(weight.equal(weights[name]) for name, weight in again.eager.state_dict().items())


def test_while_it_writes_on_every_form_of_a_model_writes_to_the_maximum_length(
    small_model: BenchModel,
) -> None:
    for searcher in (small_model.eager, small_model.fp32, small_model.int8):
        with small_model.writing_on():
            replies = search_batch(searcher, small_model.sources, MAX_STEPS, "cpu")
        assert {len(reply) for reply in replies} == {MAX_STEPS}
        replies = search_batch(searcher, small_model.sources, MAX_STEPS, "cpu")
        assert min(map(len, replies)) < MAX_STEPS


def test_a_stored_models_eager_searcher_writes_what_its_artifact_does(
    animal_store: Path, animal_artifact: Artifact
) -> None:
    prompts = ["Please, number 3, tell me about the cat.", "the owl"]
    model = stored_model(ModelStore(animal_store).resolve(), prompts)
    assert model.name == "animals/1"
    assert search_batch(model.eager, model.sources, MAX_STEPS, "cpu") == animal_artifact.search(
        [animal_artifact.tokenizer.encode_source(prompt) for prompt in prompts], MAX_STEPS
    )


def test_a_version_whose_manifest_lacks_the_sizes_is_an_error_that_names_it(
    animal_store: Path, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "store")
    shutil.copytree(animal_store, store.root)
    directory = store.resolve()
    manifest = directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace("hidden_size", "width"))
    store.seal("animals/1")
    with pytest.raises(ManifestError, match=str(directory)):
        stored_model(directory, ["hello"])


def test_the_prompts_are_real_short_different_and_the_same_each_time() -> None:
    prompts = real_prompts(100)
    assert len(set(prompts)) == 100
    assert prompts == real_prompts(100)
    assert prompts != real_prompts(100, seed=1)
    assert all(2 <= len(hashed_ids(prompt, 8000)) <= 11 for prompt in prompts)


def test_a_hashed_word_has_one_id_that_is_no_special_symbol() -> None:
    first, second = hashed_ids("Do you?", 8000), hashed_ids("you do", 8000)
    assert first[0] == second[1]
    assert first[1] == second[0]
    assert first[-1] == second[-1] == EOS_ID
    assert all(len(SPECIAL_SYMBOLS) <= id_ < 8000 for id_ in first[:-1])
