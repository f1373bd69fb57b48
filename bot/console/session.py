"""One person's chat: the conversation so far, how to search, and the commands about both."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from bot.artifact.options import Attention, Hypothesis, SearchOptions
from bot.console.heatmap import alignment, heatmap
from bot.errors import CauserieError, SearchFailedError, UsageError
from bot.serving.conversation import Conversation
from bot.serving.responder import Candidate
from bot.serving.sentences import NOT_THE_MODELS

logger = logging.getLogger(__name__)

HELP = (
    "/reset      forget what was said",
    "/beam K     keep the K best beginnings of a reply while searching; 1 is greedy search",
    "/attention  show where the model looked while it wrote its last reply",
    "/help       show this",
    "q, quit     leave",
)
NOTHING_SAID = "Nothing has been said yet; write something first."
NOT_THE_MODELS_ANSWER = "The last answer was not the model's own; write something else first."


class Talker(Protocol):
    """What a session needs of a responder."""

    def candidates(self, *turns: str, options: SearchOptions) -> list[Candidate]:
        """Every reply to the last turn that a search found, the best first."""
        ...

    def attention(self, *turns: str, hypothesis: Hypothesis) -> Attention:
        """Where the model looks while it writes that reply to those turns."""
        ...


class Session:
    """Answers lines: messages with replies, commands with what they did.

    :param show_scores: follow each reply with every hypothesis and its scores
    :param piped: whether a program reads the answers. It gets one line for each of its own (more
        only with ``show_scores``), and what begins with a slash but is no command is a message.
    """

    def __init__(
        self, talker: Talker, options: SearchOptions, *, show_scores: bool, piped: bool
    ) -> None:
        self._talker = talker
        self._options = options
        self._show_scores = show_scores
        self._piped = piped
        self._conversation = Conversation()
        self._last: tuple[tuple[str, ...], Hypothesis] | None = None
        self._why_none = NOTHING_SAID
        self._commands: dict[str, Callable[[str], list[str]]] = {
            "/reset": self._reset,
            "/beam": self._beam,
            "/attention": self._attention,
            "/help": self._help,
        }

    def answer(self, line: str) -> list[str]:
        """The lines of the answer, at least one; a failure is a sentence in brackets."""
        word, _, argument = line.strip().partition(" ")
        command = self._commands.get(word.lower())
        try:
            if command is not None:
                return command(argument.strip())
            if word.startswith("/") and not self._piped:
                raise UsageError(f"There is no {word}; there is {', '.join(self._commands)}.")
            return self._reply(line)
        except SearchFailedError as error:
            logger.exception("no reply could be made")
            return [f"[{error}]"]
        except CauserieError as error:
            return [f"[{error}]"]

    def _reply(self, line: str) -> list[str]:
        turns = (*self._conversation.turns, line)
        candidates = self._talker.candidates(*turns, options=self._options)
        reply = candidates[0].text
        if reply in NOT_THE_MODELS:
            self._last, self._why_none = None, NOT_THE_MODELS_ANSWER
            return [_on_one_line(reply)]
        self._last = (turns, candidates[0].hypothesis)
        if line.strip():
            self._conversation.add(line, reply)
        lines = [_on_one_line(reply)]
        if self._show_scores:
            lines += [
                f"  score {found.score:.2f}, log-probability {found.log_probability:.2f}:"
                f" {_on_one_line(text)}"
                for text, found in candidates
            ]
        return lines

    def _reset(self, argument: str) -> list[str]:
        self._conversation.clear()
        self._last, self._why_none = None, NOTHING_SAID
        return ["[Forgotten.]"]

    def _beam(self, argument: str) -> list[str]:
        try:
            beam_size = int(argument)
        except ValueError:
            wrong = f"{argument!r} is not a whole number. " if argument else ""
            raise UsageError(
                f"{wrong}The beam size is {self._options.beam_size}; /beam 5 makes it 5."
            ) from None
        options = replace(self._options, beam_size=beam_size)
        # A model of an older version may know no beam search: better to hear of it now.
        self._talker.candidates("hello", options=options)
        self._options = options
        return [f"[The beam size is {beam_size}.]"]

    def _attention(self, argument: str) -> list[str]:
        if self._last is None:
            raise UsageError(self._why_none)
        turns, hypothesis = self._last
        attention = self._talker.attention(*turns, hypothesis=hypothesis)
        return [alignment(attention)] if self._piped else heatmap(attention)

    def _help(self, argument: str) -> list[str]:
        return ["; ".join(map(_on_one_line, HELP))] if self._piped else list(HELP)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
