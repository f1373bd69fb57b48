import asyncio
import subprocess
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.errors import BusyError, DeadlineError, SearchFailedError
from bot.serving.content_filter import ContentFilter
from bot.serving.engine import Engine
from bot.serving.responder import Responder
from bot.serving.sentences import CARE, DEFLECTION, FALLBACK
from bot.text.tokenizer import EOS_ID, Tokenizer, train_bpe
from bot.text.word_list import WordList

OPEN = ContentFilter(*[WordList([])] * 3)
REPOSITORY = Path(__file__).parent.parent.parent


class Codec:
    """Code points as ids, up to 50 of them."""

    def encode_source(self, *turns: str) -> list[int]:
        return [ord(character) for character in turns[-1][:50]] + [2]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def labels(self, ids: Sequence[int]) -> list[str]:
        return ["." if i == EOS_ID else chr(i) for i in ids]


class Upper:
    """An engine that answers in capitals, or with what the test sets."""

    def __init__(self, answer: str | Exception | None = None) -> None:
        self._answer = answer
        self.asked_how: list[tuple[Hashable, float]] = []

    async def generate(
        self, source_ids: list[int], *, user: Hashable, timeout_s: float
    ) -> list[int]:
        self.asked_how.append((user, timeout_s))
        if isinstance(self._answer, Exception):
            raise self._answer
        text = Codec().decode(source_ids[:-1]).upper() if self._answer is None else self._answer
        return [ord(character) for character in text]


class Found:
    """An engine that finds what the test says, and looks everywhere alike."""

    def __init__(self, *found: Hypothesis) -> None:
        self._found = list(found)
        self.options: SearchOptions | None = None
        self.asked_how: list[tuple[Hashable, float]] = []

    async def hypotheses(
        self, source_ids: list[int], options: SearchOptions, *, user: Hashable, timeout_s: float
    ) -> list[Hypothesis]:
        self.options = options
        self.asked_how.append((user, timeout_s))
        return self._found

    async def attention(
        self, source_ids: list[int], target_ids: list[int], *, user: Hashable, timeout_s: float
    ) -> list[list[float]]:
        self.asked_how.append((user, timeout_s))
        return [[1 / len(source_ids)] * len(source_ids)] * len(target_ids)


async def test_the_reply_is_the_decoded_search_without_white_space_around_it() -> None:
    assert await Responder(Upper(), Codec(), 5, OPEN).reply("  hello ") == "HELLO"


@pytest.mark.parametrize("blank", ["", "  \n", "\u200b\u200d", "\x00\x07", "\u2060 \ufeff"])
async def test_a_blank_reply_becomes_a_sentence(blank: str) -> None:
    assert await Responder(Upper(blank), Codec(), 5, OPEN).reply("hello") == FALLBACK


@pytest.mark.parametrize(
    "reply", ["\N{GRINNING FACE}", "?", "\u05d0", "\N{HEAVY BLACK HEART}\ufe0f"]
)
async def test_a_reply_without_letters_is_a_reply(reply: str) -> None:
    assert await Responder(Upper(reply), Codec(), 5, OPEN).reply("hello") == reply


async def test_the_engine_hears_who_asks_and_how_long_a_reply_may_take() -> None:
    engine = Upper()
    responder = Responder(engine, Codec(), 5, OPEN)
    await responder.reply("hello", user=7)
    await responder.reply("hello")
    assert engine.asked_how == [(7, 5), (None, 5)]

    found = Hypothesis([ord("A")], -1.0, -0.9, ended=True)
    engine = Found(found)
    responder = Responder(engine, Codec(), 5, OPEN, SearchOptions(beam_size=2))
    await responder.reply("hello", user=7)
    await responder.candidates("hello", options=GREEDY, user=8)
    await responder.attention("hello", hypothesis=found, user=9)
    assert engine.asked_how == [(7, 5), (8, 5), (9, 5)]


@pytest.mark.parametrize(
    "error", [BusyError("full"), DeadlineError("late"), SearchFailedError("broken")]
)
async def test_what_the_engine_raises_comes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await Responder(Upper(error), Codec(), 5, OPEN).reply("hello")
    assert caught.value is error


async def test_candidates_are_what_was_found_and_none_is_blank() -> None:
    found = Hypothesis([ord("A")], -1.0, -0.9, ended=True), Hypothesis([], -3.0, -3.0, ended=True)
    engine = Found(*found)
    options = SearchOptions(beam_size=2)
    candidates = await Responder(engine, Codec(), 5, OPEN).candidates("hello", options=options)
    assert candidates == [("A", found[0]), (FALLBACK, found[1])]
    assert engine.options is options


async def test_candidates_that_can_be_said_come_before_those_that_cannot() -> None:
    found = [
        Hypothesis(list(map(ord, text)), -1.0, -1.0, ended=True) for text in ("x", "", "b", "a")
    ]
    content_filter = ContentFilter(WordList(["x"]), WordList([]), WordList([]))
    beam = SearchOptions(beam_size=4)
    responder = Responder(Found(*found), Codec(), 5, content_filter, beam)
    assert await responder.reply("hello") == "b"
    candidates = await responder.candidates("hello", options=beam)
    assert [candidate.text for candidate in candidates] == ["b", "a", FALLBACK, FALLBACK]
    assert [candidate.hypothesis for candidate in candidates] == [found[i] for i in (2, 3, 0, 1)]


@pytest.mark.parametrize("ended", [True, False])
async def test_attention_names_the_tokens_of_its_rows_and_columns(ended: bool) -> None:
    hypothesis = Hypothesis([ord("O"), ord("K")], -1.0, -1.0, ended=ended)
    source, reply, weights = await Responder(Found(), Codec(), 5, OPEN).attention(
        "hi", hypothesis=hypothesis
    )
    assert source == ["h", "i", "."]
    assert reply == ["O", "K"] + ["."] * ended
    assert [len(row) for row in weights] == [3] * len(reply)


class Echo:
    """A searcher whose reply is its source."""

    def search(
        self, source_ids: list[list[int]], max_length: int, options: SearchOptions
    ) -> list[list[int]]:
        return [source[:max_length] for source in source_ids]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_bpe(["hello, how are you?", "I'm fine, thanks."], 300, max_source_tokens=32)


BAD_INPUTS = {
    "empty": "",
    "blank": " \n\t ",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85",
    "lone surrogates": "\ud800 and \udfff",
    "5,000 emoji": "\N{FACE WITH TEARS OF JOY}" * 5000,
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 1000,
    "right-to-left marks": "\u202e\u200fabc\u2067" * 100,
    "a ping": "@everyone @here <@&1>",
    "a code block": "```python\nprint('hi')\n```",
    "100,000 characters": "why? " * 20_000,
    "100,000 combining marks": "a" + "\u0301" * 99_999,
    "special symbols": "<eos><pad><bos>",
}


@pytest.mark.parametrize("text", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
async def test_bad_input_gets_a_reply_through_the_real_engine_and_tokenizer(
    text: str, tokenizer: Tokenizer
) -> None:
    async with Engine(
        Echo(),
        workers=1,
        threads_per_worker=1,
        queue_limit=4,
        max_batch_size=4,
        max_reply_tokens=40,
    ) as engine:
        reply = await Responder(engine, tokenizer, 5, OPEN).reply(text)
    assert reply.strip()
    reply.encode("utf-8")


@given(text=st.text(st.characters(), max_size=300))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_string_gets_a_reply(text: str, tokenizer: Tokenizer) -> None:
    class EchoEngine:
        async def generate(
            self, source_ids: list[int], *, user: Hashable, timeout_s: float
        ) -> list[int]:
            return source_ids

    reply = asyncio.run(Responder(EchoEngine(), tokenizer, 5, OPEN).reply(text))
    assert reply.strip()


def test_importing_the_responder_does_not_import_torch() -> None:
    code = "import sys, bot.serving.responder; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


async def test_what_the_filter_finds_in_a_message_never_reaches_the_model() -> None:
    content_filter = ContentFilter(WordList([]), WordList(["hate"]), WordList(["harm"]))
    responder = Responder(Upper(AssertionError()), Codec(), 5, content_filter)
    assert await responder.reply("hello", "hi", "I hate them") == DEFLECTION
    assert await responder.reply("self harm") == CARE
    candidates = await responder.candidates("self harm", options=SearchOptions(beam_size=3))
    assert [candidate.text for candidate in candidates] == [CARE]


async def test_only_the_newest_turn_is_looked_at() -> None:
    content_filter = ContentFilter(WordList([]), WordList(["hate"]), WordList([]))
    assert await Responder(Upper(), Codec(), 5, content_filter).reply("hate", "ok") == "OK"


async def test_a_reply_that_the_filter_does_not_allow_is_not_said() -> None:
    content_filter = ContentFilter(WordList(["darn"]), WordList([]), WordList([]))
    assert await Responder(Upper(), Codec(), 5, content_filter).reply("darn") == FALLBACK
