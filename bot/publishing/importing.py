"""From a checkpoint of the PyTorch chatbot tutorial, or of its ancestor, to a version in the store.

The artifact writes the tokens that the tutorial's ``GreedySearchDecoder`` would have written, up to
the first ``EOS``. Its weights stay in float32: rounded to half precision they would now and then
choose another word.
"""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import torch

from bot.artifact.artifact import padded
from bot.data.corpora.lines import ReadingLog
from bot.data.corpora.packages import read_smalltalk
from bot.data.dataset import encode_examples
from bot.data.selection import Example
from bot.errors import CheckpointError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.export import (
    AGREEMENT_PROMPTS,
    CALIBRATION_PAIRS,
    PARITY_BATCH,
    PARITY_PROMPTS,
    Int8Data,
    OnProgress,
    Quantise,
    Searchers,
    compile_searchers,
)
from bot.publishing.tutorial_checkpoint import TutorialCheckpoint
from bot.publishing.tutorial_vocabulary import SPECIAL_COUNT
from bot.publishing.tutorial_weights import NEVER, by_our_names
from bot.text.tokenizer import (
    BOS_ID,
    EOS_ID,
    PAD,
    PAD_ID,
    SPECIAL_SYMBOLS,
    Tokenizer,
    well_formed,
    word_level,
)

# Training ended at 10 words and the tutorial's chat cuts nothing. This cuts what no chat line is
# and bounds the work; the end of a longer one is kept.
MAX_SOURCE_TOKENS = 100
MAX_PARITY_WORDS = 9
MAX_SMALLTALK_WORDS = 9  # of a turn, as in the tutorial's training
MIN_SMALLTALK_PAIRS = 200


@dataclass(frozen=True)
class ImportedModel:
    """A checkpoint, as this project's parts.

    :param searcher: eager, in evaluation mode
    :param normalises: whether text is normalised as the tutorial does; otherwise it is split at
        white space
    :param file_name: of the checkpoint
    :param sha256: of the checkpoint, in hexadecimal digits
    """

    checkpoint: TutorialCheckpoint
    config: ModelConfig
    searcher: GreedySearcher
    tokenizer: Tokenizer
    normalises: bool
    file_name: str
    sha256: str

    @classmethod
    def read(cls, path: Path, vocabulary_path: Path | None = None) -> "ImportedModel":
        """Read a checkpoint.

        :raises CheckpointError, UsageError: as ``TutorialCheckpoint.read`` does; CheckpointError
            also if nothing can be computed with its weights
        """
        checkpoint = TutorialCheckpoint.read(path, vocabulary_path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        tokenizer, normalises = to_tokenizer(checkpoint)
        config, searcher = to_searcher(checkpoint)
        _check_arithmetic(path, config, searcher)
        return cls(checkpoint, config, searcher, tokenizer, normalises, path.name, sha256)


def to_tokenizer(checkpoint: TutorialCheckpoint) -> tuple[Tokenizer, bool]:
    """The tokenizer of a checkpoint's vocabulary, and whether it normalises as the tutorial does.

    Words outside the vocabulary are left out. Both formats were trained on sentences of known words
    only, so there is no embedding for others, and what is left is a sentence of that kind.

    The tutorial normalises what it reads and its ancestor does not, but could be given a corpus
    that was: there the vocabulary tells. The tutorial's too, where someone adapted the tutorial to
    a language that its normalisation takes to pieces.
    """
    words = checkpoint.vocabulary.words[SPECIAL_COUNT:]
    # A word spelt like a special symbol cannot be had beside it; it is written as nothing.
    ids = {
        well_formed(word): i
        for i, word in enumerate(words, len(SPECIAL_SYMBOLS))
        if word not in SPECIAL_SYMBOLS
    }
    tokenizer = word_level(ids, MAX_SOURCE_TOKENS, unknown=PAD)
    # The empty word is the tutorial's for a line without a letter.
    lost = sum(tokenizer.encode(word) != [i] for word, i in ids.items() if word)
    normalises = lost == 0 if checkpoint.is_ancestor else lost <= len(ids) / 2
    if not normalises:
        tokenizer = word_level(ids, MAX_SOURCE_TOKENS, unknown=PAD, normalise=False)
    return tokenizer, normalises


def to_searcher(checkpoint: TutorialCheckpoint) -> tuple[ModelConfig, GreedySearcher]:
    """The checkpoint's model, in float32 and evaluation mode, and its sizes."""
    weights = by_our_names(checkpoint, checkpoint.encoder, checkpoint.decoder, NEVER)
    config = ModelConfig(
        vocabulary_size=weights["embedding.weight"].size(0),
        embedding_size=checkpoint.hidden_size,
        hidden_size=checkpoint.hidden_size,
        encoder_layers=checkpoint.encoder_layers,
        decoder_layers=checkpoint.decoder_layers,
        attention=checkpoint.attention,
        dropout=0.0,  # not in the file, and of no use but in training
    )
    model = Seq2Seq(config, PAD_ID)
    model.load_state_dict(weights)
    searcher = GreedySearcher(model, PAD_ID, BOS_ID, EOS_ID)
    searcher.eval().requires_grad_(requires_grad=False)
    return config, searcher


def _check_arithmetic(path: Path, config: ModelConfig, searcher: GreedySearcher) -> None:
    """See whether weights that are finite make scores that are."""
    sources = padded(parity_sources(config.vocabulary_size)[:PARITY_BATCH], "cpu")
    with torch.inference_mode():
        _, scores, _ = searcher(*sources, MAX_PARITY_WORDS)
    if not scores.isfinite().all():
        raise CheckpointError(
            f"{path} has weights so large that its scores are infinite or no numbers: its training"
            " diverged; give an earlier checkpoint."
        )


def parity_sources(vocabulary_size: int) -> list[list[int]]:
    """Sixty-four sources of random words, the same each time."""
    rng = random.Random(0)
    words = range(len(SPECIAL_SYMBOLS), vocabulary_size)
    return [
        [*rng.choices(words, k=rng.randint(1, MAX_PARITY_WORDS)), EOS_ID]
        for _ in range(PARITY_PROMPTS)
    ]


def int8_data(tokenizer: Tokenizer) -> Int8Data | str:
    """Small talk in words that the model knows, in place of the texts it was trained on.

    The packaged exchanges of one message and one reply: one half to make the int8 variant with, the
    other to check it with.

    :return: the pairs, or why the model can have no int8 variant
    """
    exchanges = {tuple(conversation.turns) for conversation in read_smalltalk(ReadingLog())}
    known = [
        Example((prompt,), reply)
        for prompt, reply in sorted(turns for turns in exchanges if len(turns) == 2)
        if all(_is_known(tokenizer, text) for text in (prompt, reply))
    ]
    if len(known) < MIN_SMALLTALK_PAIRS:
        return (
            f"the vocabulary has all words of only {len(known)} exchanges of the packaged small"
            f" talk, and {MIN_SMALLTALK_PAIRS} are needed to check it"
        )
    pairs = encode_examples(known, tokenizer, MAX_SMALLTALK_WORDS + 2)
    shuffled = pairs.sample(CALIBRATION_PAIRS + AGREEMENT_PROMPTS, seed=0)
    calibration = min(CALIBRATION_PAIRS, len(shuffled) // 2)
    return Int8Data(
        shuffled.select(range(calibration)),
        shuffled.select(range(calibration, len(shuffled))),
        "prompts of small talk",
    )


def _is_known(tokenizer: Tokenizer, text: str) -> bool:
    return tokenizer.knows(text) and 1 <= len(tokenizer.encode(text)) <= MAX_SMALLTALK_WORDS


def compile_import(
    model: ImportedModel,
    quantise: Quantise | None,
    on_progress: OnProgress = lambda line: None,
) -> Searchers:
    """Compile an imported model, its weights in float32; as ``compile_searchers`` does."""
    return compile_searchers(
        model.searcher,
        torch.float32,
        parity_sources(model.config.vocabulary_size),
        int8_data(model.tokenizer),
        quantise,
        on_progress,
    )
