"""From examples to token ids."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bot.data.selection import Example
from bot.text.tokenizer import BOS_ID, EOS_ID, UNK_ID, Tokenizer

# Examples are tokenised so many at a time: lists of ids take ten times the memory of tensors.
CHUNK = 10_000


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as token ids, flat; the i-th source is ``sources[starts[i]:starts[i + 1]]``.

    :param sources: int32, every source (with ``EOS``) after the other
    :param source_starts: int64, (N + 1,)
    :param targets: int32, every target (``BOS`` … ``EOS``) after the other
    :param target_starts: int64, (N + 1,)
    :param characters: int64, (N,), of the reply as text, for bits per character
    """

    sources: Tensor
    source_starts: Tensor
    targets: Tensor
    target_starts: Tensor
    characters: Tensor

    def __len__(self) -> int:
        return self.characters.numel()

    def source(self, index: int) -> Tensor:
        """Ids of a source, int32, (S,)."""
        return self.sources[self.source_starts[index] : self.source_starts[index + 1]]

    def target(self, index: int) -> Tensor:
        """Ids of a target with ``BOS`` and ``EOS``, int32, (T + 1,)."""
        return self.targets[self.target_starts[index] : self.target_starts[index + 1]]

    def select(self, indices: Sequence[int]) -> "EncodedPairs":
        """The pairs of those indices, in that order."""
        sources, targets = _Rows(), _Rows()
        for index in indices:
            sources.append(self.source(index).tolist())
            targets.append(self.target(index).tolist())
        characters = self.characters[torch.tensor(indices, dtype=torch.long)]
        return EncodedPairs(*sources.tensors(), *targets.tensors(), characters)

    def sample(self, count: int, seed: int) -> "EncodedPairs":
        """So many of the pairs, or all, chosen and ordered by the seed."""
        generator = torch.Generator().manual_seed(seed)
        return self.select(torch.randperm(len(self), generator=generator)[:count].tolist())

    def followed_by(self, others: "EncodedPairs") -> "EncodedPairs":
        """These pairs and then the others."""
        return EncodedPairs(
            torch.cat((self.sources, others.sources)),
            torch.cat((self.source_starts, others.source_starts[1:] + len(self.sources))),
            torch.cat((self.targets, others.targets)),
            torch.cat((self.target_starts, others.target_starts[1:] + len(self.targets))),
            torch.cat((self.characters, others.characters)),
        )


def encode_examples(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    max_target_tokens: int,
    *,
    drop_unknown: bool = False,
    dropped: Counter[str] | None = None,
    kept: list[Example] | None = None,
) -> EncodedPairs:
    """Tokenise examples, perhaps none.

    Dropped is a reply of ``max_target_tokens`` or more, and an example of whose newest turn or
    reply the vocabulary leaves nothing, or hardly anything: there is nothing to learn from it.

    :param drop_unknown: whether an example is dropped too if its newest turn or its reply holds a
        word that is not in the vocabulary (PyTorch chatbot tutorial, ``trimRareWords``)
    :param dropped: counts what is dropped, by the reason
    :param kept: gets the examples that are not
    """
    dropped = Counter() if dropped is None else dropped
    sources, targets = _Rows(), _Rows()
    characters = array("q")
    marks = {UNK_ID, *tokenizer.encode(".!?")}
    ids: dict[str, list[int]] = {}

    def nothing_left(what: str, text: str) -> str:
        """What is wrong with a text as the vocabulary has it; empty if nothing is."""
        known = ids[text]
        if not known or (marks.issuperset(known) and any(map(str.isalnum, text))):
            return f"a {what} of which the vocabulary leaves nothing"
        if UNK_ID in known and 2 * known.count(UNK_ID) > len(known):
            return f"a {what} of mostly unknown words"
        return ""

    for start in range(0, len(examples), CHUNK):
        chunk = examples[start : start + CHUNK]
        texts = list({text: None for turns, reply in chunk for text in (*turns, reply)})
        ids = dict(zip(texts, tokenizer.encode_batch(texts), strict=True))
        unknown = tokenizer.unknown_among(texts) if drop_unknown else set()
        for turns, reply in chunk:
            if len(ids[reply]) >= max_target_tokens:
                dropped[f"a reply of more than {max_target_tokens - 1} tokens"] += 1
                continue
            if turns[-1] in unknown or reply in unknown:
                dropped["a word outside the vocabulary"] += 1
                continue
            fault = nothing_left("prompt", turns[-1]) or nothing_left("reply", reply)
            if fault:
                dropped[fault] += 1
                continue
            sources.append(tokenizer.join_turns([ids[turn] for turn in turns]))
            targets.append([BOS_ID, *ids[reply], EOS_ID])
            characters.append(len(reply))
            if kept is not None:
                kept.append(Example(turns, reply))
    return EncodedPairs(*sources.tensors(), *targets.tensors(), _tensor(characters, torch.int64))


def _tensor(values: "array[int]", dtype: torch.dtype) -> Tensor:
    """The values without a copy of them; torch takes no empty buffer."""
    return torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)


class _Rows:
    """Lists of ids, one after the other, in four bytes an id."""

    def __init__(self) -> None:
        self._ids, self._starts = array("i"), array("q", [0])

    def append(self, row: list[int]) -> None:
        self._ids.extend(row)
        self._starts.append(len(self._ids))

    def tensors(self) -> tuple[Tensor, Tensor]:
        """The ids, int32, and where each row starts and the last ends, int64."""
        return _tensor(self._ids, torch.int32), _tensor(self._starts, torch.int64)
