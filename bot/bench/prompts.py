"""Real prompts, and ids for them where a model has no vocabulary."""

import random
import re
import zlib
from importlib import resources

from bot.text.tokenizer import EOS_ID, SPECIAL_SYMBOLS

MAX_WORDS = 10  # the tutorial's MAX_LENGTH
_WORD = re.compile(r"[a-z]+|[.!?]")  # what the tutorial's normalisation leaves, roughly


def _words(prompt: str) -> list[str]:
    return _WORD.findall(prompt.lower())


def real_prompts(count: int, seed: int = 0) -> list[str]:
    """Different prompts of the packaged small talk, of 1 to ``MAX_WORDS`` words, at random.

    :param count: how many; all of them if there are fewer
    """
    lines = resources.files("bot.data.corpora").joinpath("smalltalk.tsv").read_text("utf-8")
    prompts = dict.fromkeys(line.partition("\t")[0] for line in lines.splitlines())
    short = [prompt for prompt in prompts if 1 <= len(_words(prompt)) <= MAX_WORDS]
    return random.Random(seed).sample(short, min(count, len(short)))


def hashed_ids(prompt: str, vocabulary_size: int) -> list[int]:
    """A source for a model without a vocabulary: each word's id is a hash of its letters."""
    special = len(SPECIAL_SYMBOLS)
    words = (zlib.crc32(word.encode()) for word in _words(prompt))
    return [*(special + word % (vocabulary_size - special) for word in words), EOS_ID]
