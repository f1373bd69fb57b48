"""From a run to the store."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import publish_animals

from bot.artifact.artifact import Artifact
from bot.artifact.store import ModelStore
from bot.errors import CheckpointError, DivergenceError, ParityError
from bot.model.search import GreedySearcher
from bot.training import checkpoint
from bot.training.export import (
    TrainedRun,
    check_parity,
    compile_searcher,
    parity_sources,
)


@pytest.fixture
def trained(trained_run: Path) -> TrainedRun:
    return TrainedRun.read(trained_run)


def publish(trained: TrainedRun, root: Path) -> Path:
    return publish_animals(trained, ModelStore(root))


def test_an_exported_model_answers_as_it_was_taught(trained: TrainedRun, tmp_path: Path) -> None:
    artifact = Artifact.load(publish(trained, tmp_path))
    source = artifact.tokenizer.encode_source("Please, number 3, tell me about the cat.")
    (reply,) = artifact.search([source], 12)
    assert artifact.tokenizer.decode(reply) == "The cat says meow."


def test_an_exported_model_is_active_and_sound(trained: TrainedRun, tmp_path: Path) -> None:
    path = publish(trained, tmp_path)
    assert ModelStore(tmp_path).resolve() == path
    assert not any(ModelStore(tmp_path).verify().values())


def test_sixty_four_prompts_are_checked_however_few_were_held_out(trained: TrainedRun) -> None:
    assert len(trained.splits["valid"]) < 64
    assert len(parity_sources(trained.splits)) == 64


def test_nothing_is_published_when_the_searcher_disagrees(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Contrary(GreedySearcher):
        """Ends each reply one token early."""

        def forward(
            self, source_ids: torch.Tensor, source_lengths: torch.Tensor, max_length: int
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            tokens, scores, lengths = super().forward(source_ids, source_lengths, max_length)
            return tokens, scores, lengths - 1

    compiled = compile_searcher(trained.searcher)
    contrary = Contrary(trained.searcher.model).eval()
    with pytest.raises(ParityError, match="nothing was published"):
        check_parity(contrary, compiled, [[5, 2]], 12)
    monkeypatch.setattr(trained.searcher, "forward", contrary.forward)
    monkeypatch.setattr("bot.training.export.compile_searcher", lambda searcher, dtype: compiled)
    with pytest.raises(ParityError):
        publish(trained, tmp_path)
    assert ModelStore(tmp_path).versions() == []


def test_the_file_does_not_name_the_machine_that_made_it(trained: TrainedRun) -> None:
    compiled = compile_searcher(trained.searcher)
    assert str(Path(torch.__file__).parent).encode() not in compiled
    assert str(Path(__file__).parents[2]).encode() not in compiled


def test_weights_are_kept_in_half_precision(trained: TrainedRun) -> None:
    parameters = sum(parameter.numel() for parameter in trained.searcher.model.parameters())
    assert len(compile_searcher(trained.searcher)) < 2.5 * parameters + 40_000


def test_a_checkpoint_that_does_not_fit_the_run_is_an_error(
    trained_run: Path, tmp_path: Path
) -> None:
    for file in trained_run.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    checkpoint.save_atomically({"model": {}}, tmp_path / checkpoint.CHECKPOINT_FILE)
    with pytest.raises(CheckpointError, match=r"run\.json"):
        TrainedRun.read(tmp_path)


@pytest.mark.parametrize("weight", [float("nan"), 1e30])
def test_weights_that_half_precision_cannot_hold_are_refused(
    trained_run: Path, tmp_path: Path, weight: float
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    path = tmp_path / "run" / checkpoint.CHECKPOINT_FILE
    state = checkpoint.load(path)
    state["model"]["embedding.weight"][7, 0] = weight
    checkpoint.save_atomically(state, path)
    with pytest.raises(DivergenceError, match="not finite"):
        TrainedRun.read(tmp_path / "run")


STANDALONE = """
import sys

sys.modules["bot"] = None  # importing it is an error

import torch
from tokenizers import Tokenizer

folder, prompt = sys.argv[1:]
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
searcher = torch.jit.load(folder + "/searcher.pt").float()
ids = tokenizer.encode(prompt, add_special_tokens=False).ids + [2]
with torch.inference_mode():
    tokens, scores, lengths = searcher(torch.tensor([ids]), torch.tensor([len(ids)]), 12)
print(tokens[0, : lengths[0]].tolist())
"""


def test_the_saved_searcher_runs_without_this_package(trained: TrainedRun, tmp_path: Path) -> None:
    path = publish(trained, tmp_path / "store")
    artifact = Artifact.load(path)
    prompt = "Please, number 7, tell me about the owl."
    # -I: neither the working directory nor PYTHONPATH is searched for modules.
    result = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", STANDALONE, str(path), prompt],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = artifact.search([artifact.tokenizer.encode_source(prompt)], 12)[0]
    assert result.stdout.strip() == str(expected)
