"""``python -m bot run`` and ``python -m bot chat``: talk."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot import console, log
from bot.errors import ServingError
from bot.settings import Settings, load_settings, plan_workers, require_discord_token, usable_cores

if TYPE_CHECKING:
    from bot.serving.responder import Responder

logger = logging.getLogger(__name__)

NO_TOKEN = (
    "DISCORD_TOKEN is not set, so this is a chat in the terminal; type q to leave.\n"
    "To put the bot on Discord, create a token as docs/discord.md shows and put it into .env."
)

ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME[/VERSION]", help="Default: MODEL, or the active model."),
]


def run(
    discord: Annotated[
        bool, typer.Option("--discord", help="Insist on the Discord service.")
    ] = False,
) -> None:
    """Serve Discord if DISCORD_TOKEN is set; otherwise chat in the terminal."""
    settings = load_settings()
    if discord or settings.discord_token is not None:
        token = require_discord_token(settings)
        log.configure(settings.log_level, sys.stdout, [token])
        asyncio.run(_serve_discord(settings, token))
    else:
        print(NO_TOKEN, file=sys.stderr)
        _chat(settings)


def chat(model: ModelOption = None) -> None:
    """Chat in the terminal; from a pipe, answer one line a line."""
    settings = load_settings()
    if model is not None:
        settings = settings.model_copy(update={"model": model})
    if _at_terminal():
        print("A chat in the terminal; type q to leave.", file=sys.stderr)
    _chat(settings)


async def _serve_discord(settings: Settings, token: str) -> None:
    from bot.discord_app.client import CauserieClient, run_client

    async with serving(settings) as responder:
        await run_client(CauserieClient(responder), token)


def _chat(settings: Settings) -> None:
    log.configure(settings.log_level, sys.stderr)
    with asyncio.Runner() as runner:
        context = serving(settings)
        responder = runner.run(context.__aenter__())

        def reply(text: str) -> str:
            try:
                return runner.run(responder.reply(text))
            except ServingError as error:
                logger.exception("no reply could be made")
                return f"[{error}]"

        try:
            if _at_terminal():
                console.converse(console.lines_from_terminal("you> "), reply, "bot> ")
            else:
                console.converse(console.lines_from_pipe(), reply)
        finally:
            runner.run(context.__aexit__(None, None, None))


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator["Responder"]:
    """A responder whose model is loaded and warm.

    :raises ArtifactError: if the model cannot be served
    :raises UsageError: if the device is not there
    """
    from bot.artifact.artifact import Artifact, resolve_device
    from bot.artifact.store import ModelStore
    from bot.serving.engine import Engine
    from bot.serving.responder import Responder

    device = resolve_device(settings.device)
    artifact = Artifact.load(ModelStore(settings.model_store).resolve(settings.model), device)
    plan = plan_workers(
        usable_cores(),
        cuda=device == "cuda",
        workers=settings.workers,
        threads_per_worker=settings.threads_per_worker,
    )
    engine = Engine(
        artifact,
        workers=plan.workers,
        threads_per_worker=plan.threads_per_worker,
        queue_limit=settings.queue_limit,
        max_reply_tokens=settings.max_reply_tokens,
    )
    async with engine:
        yield Responder(engine, artifact.tokenizer, settings.reply_timeout_s)
