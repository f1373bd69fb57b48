"""Checkpoints of the tutorial and of its ancestor, imported with the real command.

What is served is compared, token for token, with the tutorial's search as ``tutorial_model`` has
it, on models that were trained there.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rounded import RoundedSearcher
from tutorial_model import (
    TutorialModel,
    Voc,
    normalise,
    on_gpu,
    pairs,
    save_voc,
    trained,
)
from typer.testing import CliRunner

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import INT8_SEARCHER_FILE, SEARCHER_FILE
from bot.artifact.precision import int8_works
from bot.artifact.store import ModelStore
from bot.cli import app
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import read_smalltalk
from bot.data.dataset import EncodedPairs
from bot.errors import UsageError
from bot.publishing.export import Int8Data
from bot.publishing.import_card import import_card
from bot.publishing.importing import ImportedModel, compile_import, int8_data
from bot.text.tokenizer import EOS_ID, SEP_ID, SPECIAL_SYMBOLS, UNK_ID

MAX_LENGTH = 10  # the tutorial's

words = st.sampled_from(
    sorted({word for pair in pairs() for text in pair for word in text.split()})
)
sentences = st.lists(words, min_size=1, max_size=14).map(" ".join)


def import_file(path: Path, store: Path, *options: str) -> Artifact:
    arguments = ["import-checkpoint", path, "--name", "imported", "--store", store, *options]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return Artifact.load(ModelStore(store).resolve("imported"), precision="fp32")


@dataclass
class Imported:
    model: TutorialModel
    artifact: Artifact

    def reply(self, text: str) -> list[str]:
        """The words that are served as a reply."""
        (ids,) = self.artifact.search([self.artifact.tokenizer.encode_source(text)], MAX_LENGTH)
        return self.words(ids)

    def words(self, ids: list[int]) -> list[str]:
        added = len(SPECIAL_SYMBOLS) - 3
        return [self.model.voc.index2word[i - added] for i in ids]


@pytest.fixture(
    scope="module",
    params=[
        ("dot", 24, 1, 1, False),
        ("general", 32, 2, 2, False),
        ("concat", 20, 2, 1, False),
        ("dot", 24, 2, 2, True),
        ("concat", 20, 1, 2, True),
    ],
    ids=["dot", "general", "concat", "ancestor-dot", "ancestor-concat"],
)
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    *sizes, ancestor = request.param
    model = trained(*sizes, ancestor=ancestor)
    folder = tmp_path_factory.mktemp("checkpoint")
    path = model.save(folder / "100_checkpoint.tar", legacy=ancestor)
    return Imported(model, import_file(path, folder / "store"))


@pytest.fixture(scope="module")
def dot() -> TutorialModel:
    return trained("dot", 24, 1, 1)


def test_the_model_that_is_compared_has_learnt_something(imported: Imported) -> None:
    replies = {" ".join(imported.model.reply(prompt, MAX_LENGTH)) for prompt, _ in pairs()}
    assert len(replies) > 20


def test_replies_are_those_of_the_tutorials_search(imported: Imported) -> None:
    prompts = [prompt for prompt, _ in pairs()]
    sources = [imported.artifact.tokenizer.encode_source(prompt) for prompt in prompts]
    batch = imported.artifact.search(sources, MAX_LENGTH)
    for prompt, ids in zip(prompts, batch, strict=True):
        expected = imported.model.reply(prompt, MAX_LENGTH)
        assert imported.reply(prompt) == expected
        assert imported.words(ids) == expected


@settings(max_examples=50)
@given(sentence=sentences)
def test_replies_to_any_known_words_are_those_of_the_tutorials_search(
    imported: Imported, sentence: str
) -> None:
    assert imported.reply(sentence) == imported.model.reply(sentence, MAX_LENGTH)


def test_text_is_normalised_as_the_tutorial_does(imported: Imported) -> None:
    prompt, _ = pairs()[0]
    shouted = f"  {prompt.upper().replace(' ', ' - ')}  42\N{COMBINING ACUTE ACCENT} "
    assert normalise(shouted) == prompt
    assert imported.reply(shouted) == imported.model.reply(prompt, MAX_LENGTH)


def test_words_outside_the_vocabulary_are_left_out(imported: Imported) -> None:
    prompt, _ = pairs()[1]
    assert imported.reply(f"Xyzzy {prompt} plugh <eos>") == imported.reply(prompt)


@pytest.mark.parametrize("text", ["", "   ", "xyzzy plugh", "12345", "你好", "\ud800", "<sep>"])
def test_a_message_of_unknown_words_has_a_reply(imported: Imported, text: str) -> None:
    assert imported.artifact.tokenizer.encode_source(text) == [EOS_ID]
    imported.reply(text)


def test_no_search_can_choose_a_symbol_that_the_tutorial_has_not(imported: Imported) -> None:
    source = imported.artifact.tokenizer.encode_source(pairs()[0][0])
    (scores,) = imported.artifact.target_scores([source], [[UNK_ID, SEP_ID, EOS_ID]])
    assert max(scores[:2]) < -9000
    assert torch.tensor(scores).half().isfinite().all()


def test_weights_are_kept_as_they_are(dot: TutorialModel, tmp_path: Path) -> None:
    artifact = import_file(dot.save(tmp_path / "a.tar"), tmp_path)
    stored = torch.jit.load(tmp_path / "imported" / "1" / "searcher.pt").state_dict()
    assert stored["model.output.weight"].dtype == torch.float32
    assert torch.equal(stored["model.embedding.weight"][5:], dot.embedding.weight[3:])
    assert artifact.manifest.model["hidden_size"] == 24


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_from_a_gpu_is_imported(
    dot: TutorialModel, tmp_path: Path, *, legacy: bool
) -> None:
    path = dot.save(tmp_path / "a.tar", legacy=legacy)
    path.write_bytes(on_gpu(path.read_bytes()))
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA device"):
            torch.load(path, weights_only=True)
    served = Imported(dot, import_file(path, tmp_path))
    for prompt, _ in pairs()[:10]:
        assert served.reply(prompt) == dot.reply(prompt, MAX_LENGTH)


def test_the_card_says_where_the_model_is_from(dot: TutorialModel, tmp_path: Path) -> None:
    path = dot.save(tmp_path / "4000_checkpoint.tar")
    artifact = import_file(path, tmp_path)
    card = (tmp_path / "imported" / "1" / "MODEL_CARD.md").read_text("utf-8")
    assert "4000_checkpoint.tar" in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert f"| words | {len(dot.voc.word2index)} |" in card
    assert "| iterations | 100 |" in card
    assert f"{dot.loss:.4f}" in card
    assert "Unknown. A checkpoint names neither the licence" in card
    assert artifact.manifest.description == "Imported from 4000_checkpoint.tar."


def test_the_card_holds_no_absolute_path(dot: TutorialModel, tmp_path: Path) -> None:
    values = dot.checkpoint()
    values["voc_dict"] = values["voc_dict"] | {"name": "/home/mo/movies|\x1b[2J"}
    torch.save(values, tmp_path / "a.tar")
    card = import_card("mine", ImportedModel.read(tmp_path / "a.tar"), "", [])
    assert "\n| corpus | movies\\|[2J |\n" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize("layout", ["beside", "scripts", "option"])
def test_the_ancestors_vocabulary_is_found(tmp_path: Path, layout: str) -> None:
    model = TutorialModel("general", 8, 1, 1, ancestor=True)
    folder = tmp_path / "save" / "model" / "small-talk" / "1-1_8"
    folder.mkdir(parents=True)
    path = model.save(folder / "50_backup_bidir_model.tar")
    voc, options = folder / "voc.tar", []
    if layout == "scripts":
        (tmp_path / "save" / "training_data" / "small-talk").mkdir(parents=True)
        voc.rename(tmp_path / "save" / "training_data" / "small-talk" / "voc.tar")
    elif layout == "option":
        options = [f"--vocabulary={voc.rename(tmp_path / 'words.tar')}"]
    served = Imported(model, import_file(path, tmp_path / "store", *options))
    prompt, _ = pairs()[0]
    assert served.reply(prompt) == model.reply(prompt, MAX_LENGTH)


def with_words(words: list[str], folder: Path, *, ancestor: bool) -> ImportedModel:
    """An untrained checkpoint with this vocabulary, read."""
    model = TutorialModel("dot", 4, 1, 1, ancestor)
    voc = model.voc
    for word in list(voc.word2index):
        del voc.index2word[voc.word2index.pop(word)]
    for number, word in enumerate(words, 3):
        voc.word2index[word], voc.index2word[number] = number, word
    rows = len(words) + 3
    model = _resized(model, rows)
    setattr(voc, "n_words" if ancestor else "num_words", rows)
    return ImportedModel.read(model.save(folder / "a.tar"))


def _resized(model: TutorialModel, rows: int) -> TutorialModel:
    embedding = torch.nn.Embedding(rows, model.hidden)
    model.encoder.embedding = model.decoder.embedding = model.embedding = embedding
    model.decoder.out = torch.nn.Linear(model.hidden, rows)
    return model


def test_an_ancestor_of_plain_words_is_normalised_and_one_of_others_is_not(tmp_path: Path) -> None:
    plain = with_words(["hello", "?"], tmp_path, ancestor=True).tokenizer
    assert plain.encode("Hello?") == [5, 6]
    other = with_words(["hello?", "don't", "你好"], tmp_path, ancestor=True).tokenizer
    assert other.encode("Hello? <eos> don't 你好 hello") == [5, 6, 7]


def test_the_tutorials_normalisation_is_given_up_only_where_it_loses_most_words(
    tmp_path: Path,
) -> None:
    mostly_plain = with_words(["hello", "?", "", "UNK"], tmp_path, ancestor=False)
    assert mostly_plain.normalises
    assert mostly_plain.tokenizer.encode("Hello?") == [5, 6]
    adapted = with_words(["ça", "va", "très", "été"], tmp_path, ancestor=False)
    assert not adapted.normalises
    assert adapted.tokenizer.encode("Ça va") == [5, 6]


@pytest.fixture(scope="module")
def well_read(tmp_path_factory: pytest.TempPathFactory) -> ImportedModel:
    """An untrained checkpoint whose vocabulary has most of the packaged small talk."""
    turns = [turn for c in read_smalltalk(ReadingLog()) for turn in c.turns[:2]]
    words = dict.fromkeys(word for turn in turns for word in normalise(turn).split())
    return with_words(list(words), tmp_path_factory.mktemp("well_read"), ancestor=False)


def test_int8_is_made_and_checked_with_small_talk_of_known_words(
    well_read: ImportedModel, dot: TutorialModel, tmp_path: Path
) -> None:
    data = int8_data(well_read.tokenizer)
    assert isinstance(data, Int8Data)
    assert len(data.calibration) == 512
    assert len(data.checked) > 400
    lengths = data.checked.source_starts.diff()
    assert 2 <= int(lengths.min()) <= int(lengths.max()) <= 10  # words, and EOS

    def exchanges(pairs: EncodedPairs) -> set[tuple[str, str]]:
        return {(str(pairs.source(i)), str(pairs.target(i))) for i in range(len(pairs))}

    assert not exchanges(data.calibration) & exchanges(data.checked)
    few = int8_data(ImportedModel.read(dot.save(tmp_path / "a.tar")).tokenizer)
    assert isinstance(few, str)
    assert re.search(r"only \d+ exchanges of the packaged small talk, and 200 are needed", few)


@pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")
def test_an_imported_model_has_an_int8_variant_if_that_can_be_checked(
    well_read: ImportedModel,
) -> None:
    # Untrained, its scores are so close that eight bits would not do.
    searchers = compile_import(
        well_read, lambda searcher, *_, precise: RoundedSearcher(searcher, 2**20)
    )
    assert searchers.files.keys() == {SEARCHER_FILE, INT8_SEARCHER_FILE}
    assert re.search(r"of \d+ prompts of small talk as fp32 does", searchers.int8_note)
    assert searchers.int8_note in import_card("mine", well_read, searchers.int8_note, [])


def test_words_spelt_like_our_symbols_are_harmless(tmp_path: Path) -> None:
    model = with_words(["<eos>", "<unk>", "a", "don't"], tmp_path, ancestor=True)
    assert not model.normalises
    assert model.tokenizer.encode("<eos> a <unk> <UNK> <pad>") == [7]
    assert model.tokenizer.decode([5, 7]) == "a"


def test_a_tutorial_checkpoint_needs_no_vocabulary_file(dot: TutorialModel, tmp_path: Path) -> None:
    path = dot.save(tmp_path / "a.tar")
    save_voc(Voc("x", ("SOS", "EOS", "PAD"), "n_words"), tmp_path / "voc.tar", legacy=False)
    with pytest.raises(UsageError, match="leave --vocabulary out"):
        ImportedModel.read(path, tmp_path / "voc.tar")
