"""Which vocabulary a run learns."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class VocabularyConfig:
    """How text becomes tokens.

    :param kind: byte-level BPE, or the tutorial's words
    :param size: tokens to learn at most, special symbols included
    :param min_count: rarer words are left out (``word`` only)
    :param drop_unknown: whether examples whose prompt or reply holds a word that is not in the
        vocabulary are dropped, held-out ones too (``word`` only); the tutorial's
        ``trimRareWords``
    """

    kind: Literal["bpe", "word"] = "bpe"
    size: int = 6000
    min_count: int = 1
    drop_unknown: bool = False
