"""Which turns of a conversation make an example, and how those are written."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tokenizers import Regex, normalizers

from bot.data.cleaning import shortened, tidy, unusable, well_written
from bot.data.corpora.conversation import Conversation
from bot.data.rewriting import written
from bot.errors import UsageError
from bot.text.tokenizer import well_formed
from bot.text.word_list import WordList
from bot.text.words import count_words


@dataclass(frozen=True)
class MixConfig:
    """How pairs are chosen.

    :param max_source_turns: how many turns before a reply the model sees
    :param max_reply_words: longer replies are cut at a sentence, or dropped
    :param max_reply_count: how often the same reply may occur in one corpus; the rest is dropped
    :param max_prompt_count: the same for what is replied to, whatever its case and punctuation
    :param drop: a regular expression; examples in which it is found are dropped
    :param max_prompt_words: an example whose newest turn is longer is dropped; 0: no limit
    :param cut_replies: whether a long reply is cut at a sentence; else its example is dropped
    :param clean: whether replies are rewritten as written language, and dropped where that fails;
        else turns are taken as they are
    :param augment: whether training prompts are also seen as others might type them, without their
        context or after an unrelated one
    :param deduplicate: whether an example that occurred before in its corpus is dropped
    :param offensive: the list of words that no example may hold: ``default``, a path, or ``none``
    :param script: the scripts, such as ``Latin`` or ``Han,Hiragana,Katakana``, that all letters of
        an example belong to; empty: any
    :param reverse: whether conversations are read backwards, so that prompt and reply change places
    """

    max_source_turns: int = 3
    max_reply_words: int = 20
    max_reply_count: int = 40
    max_prompt_count: int = 40
    drop: str = ""
    seed: int = 0
    max_prompt_words: int = 0
    cut_replies: bool = True
    clean: bool = True
    augment: bool = True
    deduplicate: bool = True
    offensive: str = "default"
    script: str = ""
    reverse: bool = False


class Example(NamedTuple):
    """The last turns of a conversation, the newest last, and the reply to them."""

    turns: tuple[str, ...]
    reply: str


def as_they_are(conversation: Conversation) -> Iterator[Example]:
    """The examples of a conversation that was prepared already: no filter, nothing rewritten."""
    for index in conversation.replies():
        yield Example(tuple(conversation.turns[:index]), conversation.turns[index])


class Selection:
    """The filters that look at one conversation at a time.

    ``dropped`` counts the examples that were left out, by the reason, and ``rewritten`` the turns
    that cleaning changed, by the rule; what only tidies a prompt counts too.

    :param count: how many words a text has, for the limits of length
    :raises UsageError: if a setting cannot be used
    """

    def __init__(self, config: MixConfig, count: Callable[[str], int] = count_words) -> None:
        self.config = config
        self.dropped: Counter[str] = Counter()
        self.rewritten: Counter[str] = Counter()
        self._count = count
        self._offensive = WordList.named(config.offensive)
        self._foreign_letters = _letters_outside(config.script)
        try:
            self._drop = re.compile(config.drop, re.IGNORECASE) if config.drop else None
        except re.error as error:
            raise UsageError(
                f"--drop {config.drop!r} is no regular expression: {error}."
            ) from error

    def examples(self, conversation: Conversation, *, clean: bool) -> Iterator[Example]:
        """The examples of a conversation, in order; what is left out is counted in ``dropped``.

        :param clean: whether turns are rewritten, and dropped if they are not well written
        """
        config = self.config
        turns = [
            tidy(turn, self.rewritten) if clean else turn.strip() for turn in conversation.turns
        ]
        faults = [self._fault(turn, clean=clean) for turn in turns]
        replies = [written(turn, self.rewritten) for turn in turns] if clean else turns
        for index in conversation.replies():
            reply = replies[index]
            fault = faults[index - 1] or faults[index]
            if not fault and 0 < config.max_prompt_words < self._count(turns[index - 1]):
                fault = "long prompt"
            if not fault and self._count(reply) > config.max_reply_words:
                reply = self._cut(reply)
                fault = "" if reply else "long reply"
            if not fault and clean and not (reply and well_written(reply)):
                fault = "badly written"
            # Rewriting may bring the words of a phrase together.
            if not fault and clean and self._offensive.search(reply):
                fault = "offensive"
            if fault:
                self.dropped[fault] += 1
                continue
            first = index
            while first > max(0, index - config.max_source_turns) and not faults[first - 1]:
                first -= 1
            # The turns of the one who replies look as the model writes them.
            context = tuple(
                (replies[i] if (index - i) % 2 == 0 and replies[i] else turns[i].replace("\n", " "))
                if clean
                else turns[i]
                for i in range(first, index)
            )
            yield Example(context, reply)

    def _fault(self, turn: str, *, clean: bool) -> str:
        """What makes a turn unfit to be learnt from; empty if nothing does."""
        if not turn:
            return "empty"
        if clean and unusable(turn):
            return "placeholder, link or no word"
        if self._offensive.search(turn):
            return "offensive"
        if self._drop and self._drop.search(turn):
            return "--drop"
        if self._foreign_letters and self._foreign_letters(turn):
            return "script"
        return ""

    def _cut(self, reply: str) -> str:
        if not self.config.cut_replies:
            return ""
        return shortened(reply, self.config.max_reply_words, self._count)


def _letters_outside(script: str) -> Callable[[str], bool] | None:
    """Tells whether a text has letters outside the scripts, those of all scripts excepted.

    :param script: Unicode names of scripts, commas between them; empty: every script
    :raises UsageError: if Unicode has no such script
    """
    if not script:
        return None
    # The library that tokenises knows Unicode's scripts; Python does not.
    names = [name.strip() for name in script.split(",")]
    properties = "".join(rf"\p{{{name}}}" for name in (*names, "Common", "Inherited"))
    try:
        strip = normalizers.Replace(Regex(rf"[\p{{L}}&&[^{properties}]]"), "")
    except Exception as error:  # the library raises plain Exception
        raise UsageError(
            f"--script {script!r} is no script of Unicode; give names such as Latin, Cyrillic, Han"
            " or Han,Hiragana,Katakana."
        ) from error
    if names == ["Latin"]:
        return lambda text: not text.isascii() and _changes(strip, text)
    return lambda text: _changes(strip, text)


def _changes(normalizer: normalizers.Normalizer, text: str) -> bool:
    text = well_formed(text)
    return bool(normalizer.normalize_str(text) != text)
