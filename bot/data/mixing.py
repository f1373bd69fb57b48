"""Several corpora as one stream of examples: filtered, thinned, weighted, varied."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bot.data.corpora.lines import ReadingLog
from bot.data.corpus import Corpus, open_corpus
from bot.data.selection import Example, MixConfig, Selection, as_they_are
from bot.data.splits import SPLITS, split_of
from bot.data.thinning import Thinning
from bot.data.variants import Variants
from bot.errors import UsageError
from bot.text.words import count_words


@dataclass(frozen=True)
class WeightedCorpus:
    """A corpus and how often each of its pairs is seen in an epoch (0.5: every other pair).

    :param delimiter: what stands between the columns of a file; empty: what is usual there
    :param encoding: of a file; empty: it is found out
    """

    source: str
    weight: float = 1.0
    delimiter: str = ""
    encoding: str = ""

    @classmethod
    def parse(cls, text: str, delimiter: str = "", encoding: str = "") -> "WeightedCorpus":
        """Read ``SOURCE`` or ``SOURCE@WEIGHT``.

        :param delimiter: what stands between the columns of a file; empty: what is usual there
        :param encoding: of a file; empty: it is found out
        :raises UsageError: if the weight is no positive number
        """
        match = re.fullmatch(r"(.+)@(-?[0-9.]*)", text)
        if match is None:
            return cls(text, delimiter=delimiter, encoding=encoding)
        try:
            parsed = cls(match[1], float(match[2]), delimiter, encoding)
        except ValueError:
            parsed = cls(match[1], 0.0)
        if not 0 < parsed.weight < 1000:
            raise UsageError(
                f"The weight in {text!r} must be a number above 0, such as {match[1]}@2."
            )
        return parsed

    def open(self) -> Corpus:
        """Find out what it is.

        :raises UsageError: if the source is not known
        :raises CorpusError: if it does not exist
        """
        return open_corpus(self.source, self.delimiter, self.encoding)


@dataclass
class CorpusSummary:
    """What became of a corpus.

    :param conversations: how many were read
    :param examples: how many each split got, training examples counted by their weight
    :param dropped: how many examples each filter left out
    :param rewritten: how many turns each rule of cleaning changed
    :param malformed: how many lines could not be read
    """

    source: str
    weight: float
    conversations: int = 0
    examples: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    dropped: dict[str, int] = field(default_factory=dict)
    rewritten: dict[str, int] = field(default_factory=dict)
    malformed: int = 0


def stream_examples(
    corpora: Sequence[WeightedCorpus],
    config: MixConfig,
    on_corpus: Callable[[CorpusSummary], None] = lambda summary: None,
    *,
    on_bytes: Callable[[int], None] = lambda count: None,
    count: Callable[[str], int] = count_words,
) -> Iterator[tuple[str, Example]]:
    """Read, filter, thin and weigh corpora, one example at a time, each with its split.

    Training examples are repeated by their corpus' weight, each time as somebody else might have
    typed them. Held-out examples are neither weighted nor changed. The examples of a prepared
    corpus are weighted, and else taken exactly as they are.

    :param on_corpus: called after each corpus
    :param on_bytes: called now and then with how many more bytes of files were read
    :param count: how many words a text has, for the limits of length
    :raises UsageError: if a source is not known or a setting cannot be used
    :raises CorpusError: if a corpus cannot be read
    """
    opened = [(corpus, corpus.open()) for corpus in corpora]
    if config.reverse:
        for _, corpus in opened:
            if corpus.prepared:
                raise UsageError(
                    f"{corpus.source} is prepared already, so it cannot be reversed; give --reverse"
                    " to the command that prepares it."
                )
    selections = [Selection(config, count) for _ in opened]
    rng = random.Random(config.seed)
    variants = Variants(rng, config.max_source_turns)
    for (weighted, corpus), selection in zip(opened, selections, strict=True):
        log, thinning = ReadingLog(on_bytes), Thinning(config)
        summary = CorpusSummary(weighted.source, weighted.weight)
        for conversation in corpus.conversations(log):
            summary.conversations += 1
            split = split_of(conversation)
            alone = len(conversation.turns) == 2
            if config.reverse:
                conversation = conversation.backwards()
            examples = (
                as_they_are(conversation)
                if corpus.prepared
                else selection.examples(conversation, clean=config.clean)
            )
            for example in examples:
                if not corpus.prepared:
                    fault = thinning.fault(example, split)
                    if fault:
                        selection.dropped[fault] += 1
                        continue
                copies = 1
                if split == "train":
                    copies = int(weighted.weight) + (rng.random() < weighted.weight % 1)
                summary.examples[split] += copies
                if split == "train" and config.augment and not corpus.prepared:
                    # What is said to a frequent message, such as "Thank you!", depends on what was
                    # said before: without that there is nothing to learn.
                    forgettable = not thinning.frequent_prompt(example)
                    for _ in range(copies):
                        yield split, variants.of(example, forgettable=forgettable, alone=alone)
                    variants.overhear(example)
                else:
                    for _ in range(copies):
                        yield split, example
        summary.dropped = dict(selection.dropped)
        summary.rewritten = dict(selection.rewritten.most_common())
        summary.malformed = log.malformed.total()
        on_corpus(summary)


def mix(
    corpora: Sequence[WeightedCorpus],
    config: MixConfig,
    on_corpus: Callable[[CorpusSummary], None] = lambda summary: None,
    *,
    on_bytes: Callable[[int], None] = lambda count: None,
    count: Callable[[str], int] = count_words,
) -> dict[str, list[Example]]:
    """All of ``stream_examples``, by split.

    :param on_corpus: called after each corpus
    """
    splits: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for split, example in stream_examples(
        corpora, config, on_corpus, on_bytes=on_bytes, count=count
    ):
        splits[split].append(example)
    return splits
