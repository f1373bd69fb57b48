"""``python -m bot run`` and ``python -m bot chat``: talk."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot import log
from bot.artifact.options import GREEDY, Hypothesis, SearchOptions, check_precision
from bot.cli.models import store_at
from bot.cli.search_options import takes_search_options
from bot.errors import UsageError
from bot.settings import Settings, load_settings, require_discord_token

if TYPE_CHECKING:
    from bot.artifact.options import Attention
    from bot.serving.responder import Candidate, Responder

LOGGER = logging.getLogger(__name__)

NO_TOKEN = (
    "DISCORD_TOKEN is not set, so this is a chat in the terminal; type q to leave, /help for more."
    "\n"
    "To put the bot on Discord, create a token as docs/discord.md shows and put it into .env."
)

ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME[/VERSION]", help="Default: MODEL, or the active model."),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="auto|fp32|int8|half",
        help="What the model computes in. Default: PRECISION, or auto.",
    ),
]
ShowScoresOption = Annotated[
    bool,
    typer.Option("--show-scores", help="In the terminal: show each reply found, and its scores."),
]


@takes_search_options
def run(
    discord: Annotated[
        bool, typer.Option("--discord", help="Insist on the Discord service.")
    ] = False,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    search: SearchOptions = GREEDY,
    show_scores: ShowScoresOption = False,
) -> None:
    """Serve Discord if DISCORD_TOKEN is set; otherwise chat in the terminal."""
    settings = _load_settings(model, precision)
    if discord or settings.discord_token is not None:
        token = require_discord_token(settings)
        if show_scores:
            raise UsageError("--show-scores is for the terminal; use it with `python -m bot chat`.")
        log.configure(settings.log_level, sys.stdout, [token])
        asyncio.run(_serve_discord(settings, search, token))
    else:
        print(NO_TOKEN, file=sys.stderr)
        _chat(settings, search, show_scores=show_scores)


@takes_search_options
def chat(
    model: ModelOption = None,
    precision: PrecisionOption = None,
    search: SearchOptions = GREEDY,
    show_scores: ShowScoresOption = False,
) -> None:
    """Chat in the terminal; from a pipe, answer one line a line."""
    settings = _load_settings(model, precision)
    if _at_terminal():
        print("A chat in the terminal; type q to leave, /help for more.", file=sys.stderr)
    _chat(settings, search, show_scores=show_scores)


def _load_settings(model: str | None, precision: str | None) -> Settings:
    if precision is not None:
        check_precision(precision)
    given = {"model": model, "precision": precision}
    update = {name: value for name, value in given.items() if value is not None}
    return load_settings().model_copy(update=update)


async def _serve_discord(settings: Settings, options: SearchOptions, token: str) -> None:
    from bot.discord_app.client import CauserieClient
    from bot.discord_app.shutdown import run_until_signal

    async with serving(settings, options) as responder:
        await run_until_signal(CauserieClient(responder), token, settings.drain_timeout_s)


def _chat(settings: Settings, options: SearchOptions, *, show_scores: bool) -> None:
    from bot.console import lines
    from bot.console.session import Session

    # What an operator wants to know would stand between the lines of the talk.
    asked = "log_level" in settings.model_fields_set
    log.configure(settings.log_level if asked else "WARNING", sys.stderr)
    with asyncio.Runner() as runner:
        context = serving(settings, options)
        talker = _Synchronous(runner.run(context.__aenter__()), runner)
        piped = not _at_terminal()
        session = Session(talker, options, show_scores=show_scores, piped=piped)
        try:
            if piped:
                lines.converse(lines.lines_from_pipe(), session.answer)
            else:
                lines.converse(lines.lines_from_terminal("you> "), session.answer, "bot> ")
        finally:
            runner.run(context.__aexit__(None, None, None))


class _Synchronous:
    """A responder whose caller waits for it."""

    def __init__(self, responder: "Responder", runner: asyncio.Runner) -> None:
        self._responder = responder
        self._runner = runner

    def candidates(self, *turns: str, options: SearchOptions) -> "list[Candidate]":
        return self._runner.run(self._responder.candidates(*turns, options=options))

    def attention(self, *turns: str, hypothesis: Hypothesis) -> "Attention":
        return self._runner.run(self._responder.attention(*turns, hypothesis=hypothesis))


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@asynccontextmanager
async def serving(
    settings: Settings, options: SearchOptions = GREEDY
) -> AsyncIterator["Responder"]:
    """A responder whose model is loaded and warm.

    :raises ArtifactError: if the model cannot be served, or cannot search as the options say
    :raises UsageError: if the device or the precision is not to be had, or the options do not fit
        the model
    """
    from bot.artifact.artifact import Artifact, resolve_device
    from bot.serving.content_filter import ContentFilter
    from bot.serving.responder import Responder
    from bot.serving.tuning import TEXTS, tuned_engine

    device = resolve_device(settings.device)
    directory = store_at(settings.model_store).resolve(settings.model)
    artifact = Artifact.load(directory, device, settings.precision)
    artifact.check(options, settings.max_reply_tokens)
    manifest, precision = artifact.manifest, artifact.precision
    LOGGER.info("%s/%s on %s, %s", manifest.name, manifest.version, device, precision)
    engine = tuned_engine(
        artifact,
        settings,
        [artifact.tokenizer.encode_source(text) for text in TEXTS],
        options,
        cuda=device == "cuda",
    )
    async with engine:
        yield Responder(
            engine,
            artifact.tokenizer,
            settings.reply_timeout_s,
            ContentFilter.default(),
            options,
        )
