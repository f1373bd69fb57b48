"""What a line is answered with, without a model."""

import logging

import pytest

from bot.artifact.options import GREEDY, Attention, Hypothesis, SearchOptions
from bot.console.session import Session
from bot.errors import BusyError, CauserieError, SearcherError, SearchFailedError
from bot.serving.responder import Candidate
from bot.serving.sentences import FALLBACK, NOT_THE_MODELS

FOUND = Hypothesis([5], -1.234, -1.0, ended=True)
SECOND = Hypothesis([6], -2.0, -1.5, ended=True)


class Talker:
    """Answers in capitals, or as the test says; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.options: list[SearchOptions] = []
        self.answer: str | CauserieError | None = None

    def candidates(self, *turns: str, options: SearchOptions) -> list[Candidate]:
        if isinstance(self.answer, CauserieError):
            raise self.answer
        self.asked.append(turns)
        self.options.append(options)
        return [Candidate(self.answer or turns[-1].upper(), FOUND), Candidate("Or\nso.", SECOND)]

    def attention(self, *turns: str, hypothesis: Hypothesis) -> Attention:
        return Attention(list(turns), [str(hypothesis.token_ids)], [[1.0] + [0.0] * len(turns[1:])])


@pytest.fixture
def talker() -> Talker:
    return Talker()


def make_session(
    talker: Talker,
    options: SearchOptions = GREEDY,
    *,
    show_scores: bool = False,
    piped: bool = False,
) -> Session:
    return Session(talker, options, show_scores=show_scores, piped=piped)


def test_a_message_is_answered_after_the_turns_before_it(talker: Talker) -> None:
    session = make_session(talker)
    assert session.answer("hello") == ["HELLO"]
    assert session.answer("why?") == ["WHY?"]
    assert talker.asked == [("hello",), ("hello", "HELLO", "why?")]


def test_reset_forgets_what_was_said(talker: Talker) -> None:
    session = make_session(talker)
    session.answer("hello")
    assert session.answer("  /RESET ") == ["[Forgotten.]"]
    session.answer("why?")
    assert talker.asked[-1] == ("why?",)


def test_a_failure_is_a_sentence_and_no_turn(
    talker: Talker, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(talker)
    talker.answer = BusyError("All places are taken.")
    with caplog.at_level(logging.ERROR):
        assert session.answer("hello") == ["[All places are taken.]"]
        assert caplog.text == "", "what can happen any time has no traceback"
        talker.answer = SearchFailedError("The searcher failed.")
        assert session.answer("hello") == ["[The searcher failed.]"]
    assert "no reply could be made" in caplog.text
    talker.answer = None
    session.answer("again")
    assert talker.asked == [("again",)]


@pytest.mark.parametrize(("line", "reply"), [("hello", FALLBACK), (" ", "HM")])
def test_a_fallback_sentence_and_a_blank_line_are_no_turns(
    talker: Talker, line: str, reply: str
) -> None:
    session = make_session(talker)
    talker.answer = reply
    session.answer(line)
    session.answer("again")
    assert talker.asked[-1] == ("again",)


def test_scores_follow_the_reply_one_line_a_hypothesis(talker: Talker) -> None:
    assert make_session(talker, show_scores=True, piped=True).answer("hello") == [
        "HELLO",
        "  score -1.00, log-probability -1.23: HELLO",
        "  score -1.50, log-probability -2.00: Or so.",
    ]


@pytest.mark.parametrize("sentence", NOT_THE_MODELS)
def test_an_answer_that_is_not_the_models_has_no_scores_and_no_attention(
    talker: Talker, sentence: str
) -> None:
    session = make_session(talker, show_scores=True)
    session.answer("hello")
    talker.answer = sentence
    assert session.answer("bad words") == [sentence]
    assert "was not the model's own" in session.answer("/attention")[0]
    session.answer("/reset")
    assert "Nothing has been said yet" in session.answer("/attention")[0]


def test_beam_changes_the_width_from_the_next_message_on(talker: Talker) -> None:
    session = make_session(talker, SearchOptions(no_repeat_ngram=3))
    assert session.answer("/beam 4") == ["[The beam size is 4.]"]
    session.answer("hello")
    assert talker.options[-1] == SearchOptions(beam_size=4, no_repeat_ngram=3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/beam", "The beam size is 1; /beam 5 makes it 5."),
        ("/beam many", "'many' is not a whole number. The beam size is 1"),
        ("/beam 0", "beam_size is 0"),
        ("/beam 1000000", "from 1 to 64"),
    ],
)
def test_a_width_that_makes_no_sense_changes_nothing(talker: Talker, line: str, words: str) -> None:
    session = make_session(talker)
    (answer,) = session.answer(line)
    assert words in answer
    session.answer("hello")
    assert talker.options == [GREEDY]


def test_a_model_that_knows_no_beam_search_goes_on_as_before(talker: Talker) -> None:
    session = make_session(talker)
    talker.answer = SearcherError("It has no beam.")
    assert session.answer("/beam 2") == ["[It has no beam.]"]
    talker.answer = None
    session.answer("hello")
    assert talker.options == [GREEDY]


def test_a_beam_and_a_temperature_do_not_go_together(talker: Talker) -> None:
    (answer,) = make_session(talker, SearchOptions(temperature=1.0)).answer("/beam 2")
    assert "leaves nothing to chance" in answer


def test_attention_is_that_of_the_last_reply_and_the_turns_it_answered(talker: Talker) -> None:
    session = make_session(talker)
    assert "write something first" in session.answer("/attention")[0]
    session.answer("hello")
    session.answer("why?")
    assert session.answer("/attention") == ["hello HELLO why?", "[5] |\u2588  | hello 1.00"]
    session.answer("/reset")
    assert "write something first" in session.answer("/attention")[0]


def test_an_unknown_command_says_what_there_is_and_is_no_message(talker: Talker) -> None:
    assert make_session(talker).answer("/beem 5") == [
        "[There is no /beem; there is /reset, /beam, /attention, /help.]"
    ]
    assert talker.asked == []


def test_from_a_pipe_only_commands_are_commands(talker: Talker) -> None:
    session = make_session(talker, piped=True)
    assert session.answer("/shrug hello") == ["/SHRUG HELLO"]
    assert session.answer("/reset") == ["[Forgotten.]"]
    session.answer("/r/python is nice")
    assert talker.asked[-1] == ("/r/python is nice",)


@pytest.mark.parametrize(
    "line", ["hello", "", "/help", "/beam", "/beam 2", "/beam x", "/attention", "/reset", "/"]
)
def test_from_a_pipe_every_line_has_one_line_for_an_answer(talker: Talker, line: str) -> None:
    session = make_session(talker, piped=True)
    talker.answer = "Two\nlines \r\n of text."
    session.answer("hello")
    (answer,) = session.answer(line)
    assert answer
    assert len(answer.splitlines()) == 1


def test_help_names_every_command_and_how_to_leave(talker: Talker) -> None:
    lines = make_session(talker).answer("/help")
    assert "; q, quit leave" in make_session(talker, piped=True).answer("/help")[0]
    assert [line.split()[0] for line in lines] == ["/reset", "/beam", "/attention", "/help", "q,"]
