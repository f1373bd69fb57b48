"""From a run to the store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rounded import RoundedSearcher, damaged, rounded
from small_runs import publish_animals

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import INT8_SEARCHER_FILE, Manifest
from bot.artifact.precision import int8_works
from bot.artifact.store import ModelStore
from bot.errors import AgreementError, CheckpointError, DivergenceError, ParityError
from bot.model.search import GreedySearcher
from bot.publishing.export import (
    TrainedRun,
    check_parity,
    compile_int8,
    compile_run,
    compile_searcher,
    int8_data,
    parity_sources,
)
from bot.training import checkpoint

needs_int8 = pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")


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
    monkeypatch.setattr("bot.publishing.export.compile_searcher", lambda searcher, dtype: compiled)
    with pytest.raises(ParityError):
        publish(trained, tmp_path)
    assert ModelStore(tmp_path).versions() == []


@needs_int8
def test_an_int8_variant_is_published_with_the_reference(
    trained: TrainedRun, tmp_path: Path
) -> None:
    path = publish_animals(trained, ModelStore(tmp_path), rounded)
    assert Manifest.read(path).precisions == ("fp32", "half", "int8")
    assert not any(ModelStore(tmp_path).verify().values())
    source = trained.tokenizer.encode_source("Please, number 3, tell me about the cat.")
    for precision in ("fp32", "int8", "half"):
        artifact = Artifact.load(path, precision=precision)
        (reply,) = artifact.search([source], 12)
        assert artifact.tokenizer.decode(reply) == "The cat says meow.", precision
        assert artifact.hypotheses([source], 12)[0][0].token_ids == reply
        assert len(artifact.attention(source, reply)) == len(reply)


@needs_int8
def test_an_int8_variant_that_disagrees_is_refused_with_the_figures_and_nothing_is_published(
    trained: TrainedRun, tmp_path: Path
) -> None:
    with pytest.raises(AgreementError, match=r"\d of 875 training prompts as fp32 does \(\d"):
        publish_animals(trained, ModelStore(tmp_path), damaged)
    assert ModelStore(tmp_path).versions() == []


@needs_int8
def test_what_takes_seconds_is_announced_and_the_agreement_told(trained: TrainedRun) -> None:
    lines: list[str] = []
    searchers = compile_run(trained, rounded, lines.append)
    assert lines == [
        "making the int8 variant, rounded for 512 pairs ...",
        "comparing its replies to 875 training prompts with fp32's ...",
    ]
    assert searchers.int8_note == (
        "The int8 variant answers 875 of 875 training prompts as fp32 does (100.0%)."
    )


def test_where_the_fast_int8_variant_does_not_agree_the_more_exact_one_is_published(
    trained: TrainedRun,
) -> None:
    made: list[bool] = []

    def fast_is_damaged(*data: Any, precise: bool) -> RoundedSearcher:
        made.append(precise)
        return (rounded if precise else damaged)(*data, precise=precise)

    searchers = compile_run(trained, fast_is_damaged)
    assert made == [False, True]
    assert "(100.0%)" in searchers.int8_note


def test_without_int8_only_the_reference_is_published(trained: TrainedRun, tmp_path: Path) -> None:
    assert compile_run(trained, None).int8_note == (
        "There is no int8 variant: it was left out with --no-int8."
    )
    path = publish_animals(trained, ModelStore(tmp_path), None)
    assert Manifest.read(path).precisions == ("fp32", "half")
    assert not (path / INT8_SEARCHER_FILE).exists()


def test_a_machine_that_cannot_run_int8_publishes_without_and_says_so(
    trained: TrainedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", "onednn")  # has no such operator
    assert not int8_works()
    searchers = compile_run(trained, rounded)
    assert INT8_SEARCHER_FILE not in searchers.files
    assert "cannot run int8" in searchers.int8_note


def test_int8_is_made_with_training_pairs_and_checked_with_held_out_ones(
    trained: TrainedRun,
) -> None:
    train, held_out = trained.splits["train"], trained.splits["train"].sample(60, seed=5)
    splits = {"train": train, "valid": held_out.select(range(40)), "test": held_out}
    data = int8_data(splits)
    assert (len(data.calibration), len(data.checked), data.what) == (512, 100, "held-out prompts")
    checked = {tuple(data.checked.source(i).tolist()) for i in range(100)}
    assert checked == {tuple(held_out.source(i).tolist()) for i in range(60)}
    few = int8_data(splits | {"test": held_out.select(range(9))})
    assert (len(few.calibration), len(few.checked), few.what) == (512, 875, "training prompts")
    again = int8_data(splits)
    assert torch.equal(data.calibration.sources, again.calibration.sources)
    many = int8_data(splits | {"test": train.followed_by(train)})
    assert len(many.checked) == 1_000


@needs_int8
def test_the_int8_file_keeps_the_types_of_its_buffers(trained: TrainedRun, tmp_path: Path) -> None:
    searcher = rounded(trained.searcher, *[torch.empty(0)] * 3, precise=False).eval()
    searcher.register_buffer("values", torch.ones(3, dtype=torch.int8))
    (tmp_path / "a.pt").write_bytes(compile_int8(searcher))
    buffers = dict(torch.jit.load(tmp_path / "a.pt").named_buffers())
    assert buffers["values"].dtype == torch.int8
    assert buffers["bias"].dtype == torch.float32


def test_the_file_does_not_name_the_machine_that_made_it(trained: TrainedRun) -> None:
    compiled = compile_searcher(trained.searcher)
    assert str(Path(torch.__file__).parent).encode() not in compiled
    assert str(Path(__file__).parents[2]).encode() not in compiled


def test_weights_are_kept_in_half_precision(trained: TrainedRun) -> None:
    parameters = sum(parameter.numel() for parameter in trained.searcher.model.parameters())
    assert len(compile_searcher(trained.searcher)) < 2.5 * parameters + 40_000


@pytest.mark.parametrize("name", ["run.json", "tokenizer.json", "data.pt", "checkpoint.pt"])
def test_a_pipe_in_the_place_of_a_runs_file_is_not_waited_for(
    trained_run: Path, tmp_path: Path, name: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(CheckpointError, match=f"{name} is not a regular file; give the folder of"):
        TrainedRun.read(run)


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
