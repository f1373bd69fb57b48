"""Until a signal ends it: SIGTERM and SIGINT, the replies under way, the goodbye to Discord."""

import asyncio
import contextlib
import logging
import signal

import discord

from bot.discord_app.client import CauserieClient
from bot.discord_app.gateway import stay_connected

logger = logging.getLogger(__name__)

# How long we wait for Discord to confirm the end of the connection; aiohttp would wait for 30 s.
CLOSE_TIMEOUT_S = 2.0


async def run_until_signal(client: CauserieClient, token: str, drain_timeout_s: float) -> None:
    """Stay connected until SIGTERM or SIGINT, then finish the replies under way and disconnect.

    :param drain_timeout_s: how long to wait for those replies
    :raises SettingsError: if Discord refuses the token, or what the bot asks for
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handlers stay until the loop is closed: another signal must not cut short what the
    # caller does next.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with client:
        gateway = asyncio.create_task(stay_connected(client, token))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((gateway, stop), return_when=asyncio.FIRST_COMPLETED)
            has_failed = not stopping.is_set()
            logger.info("stopping")
            await client.chat.drain(drain_timeout_s)
        finally:
            for task in (gateway, stop):
                task.cancel()
            await asyncio.wait((gateway, stop))  # not ``await gateway``, which would raise here
            await _disconnect(client)
    if has_failed:
        gateway.result()  # raises what ended it
    logger.info("stopped")


async def _disconnect(client: discord.Client) -> None:
    """End the session at Discord, which shows the bot as offline at once."""
    if client.ws is not None:  # discord.py says that it never is, and it is before a connection
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await client.ws.close(code=1000)
