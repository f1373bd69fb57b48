"""Gateway events that discord.py cannot read are left out, and the bot goes on.

discord.py 2.7.1 hands each event to a parser of its ``ConnectionState``, found by name in
``parsers``. What a parser raises ends the connection, and with it the bot: one channel without a
``position`` would do.
"""

import logging
from collections.abc import Callable
from typing import Any

import discord

from bot.discord_app.failures import cause

logger = logging.getLogger(__name__)

Parser = Callable[[Any], None]


def survive_unreadable_events(client: discord.Client) -> None:
    """Let no event end the connection: one that cannot be read is logged by its name."""
    parsers = client._connection.parsers
    parsers.update({event: _surviving(event, parse) for event, parse in parsers.items()})


def _surviving(event: str, parse: Parser) -> Parser:
    def parse_if_readable(data: Any) -> None:
        try:
            parse(data)
        except Exception as error:
            logger.error("the event %s could not be read and is left out (%s)", event, cause(error))
            logger.debug("why the event %s could not be read", event, exc_info=True)

    return parse_if_readable
