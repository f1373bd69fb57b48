"""What occurs too often in a corpus to be learnt each time."""

from collections import Counter
from hashlib import blake2b

from bot.data.cleaning import spoken
from bot.data.selection import Example, MixConfig


class Thinning:
    """The filters that look at all examples of a corpus: none is repeated, none is too frequent.

    Texts are kept as 8 bytes of their hash, so that a million examples fit in little memory.
    """

    def __init__(self, config: MixConfig) -> None:
        self.config = config
        self._examples: set[int] = set()
        self._replies: Counter[int] = Counter()
        self._sources: Counter[int] = Counter()
        self._prompts: Counter[int] = Counter()

    def fault(self, example: Example, split: str) -> str:
        """Why the example is left out; if it is not, it is counted.

        Held-out examples are left out only as repetitions: what is frequent is asked often.
        """
        if self.config.deduplicate:
            key = _digest("\0".join((*example.turns, example.reply)))
            if key in self._examples:
                return "repeated"
            self._examples.add(key)
        if split != "train":
            return ""
        reply = _digest(example.reply.lower())
        source = _digest(spoken("\n".join(example.turns)))
        if self._replies[reply] >= self.config.max_reply_count:
            return "frequent reply"
        if self._sources[source] >= self.config.max_prompt_count:
            return "frequent prompt"
        self._replies[reply] += 1
        self._sources[source] += 1
        self._prompts[_digest(spoken(example.turns[-1]))] += 1
        return ""

    def frequent_prompt(self, example: Example) -> bool:
        """Whether the newest turn, whatever came before it, was counted too often."""
        count = self._prompts[_digest(spoken(example.turns[-1]))]
        return count > self.config.max_prompt_count


def _digest(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
