"""The connection to Discord: made again for as long as that can help.

This stands in for ``discord.Client.connect``. That of discord.py 2.7.1 fails with an
``AttributeError`` if the first handshake does (it reads ``self.ws``, which is ``None``), tries
again without a pause when Discord closes one connection after the other, and logs a traceback a
try.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp
import discord
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bot.discord_app.failures import cause, jittered, retry_after_s
from bot.errors import SettingsError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 120.0
# A connection that has lasted so long was a good one: the next failure is the first again.
LASTED_S = 60.0
HANDSHAKE_TIMEOUT_S = 60.0
# Discord keeps a session for some minutes. After so many failures in a row it is given up.
RESUME_TRIES = 6

# Discord resets the token of a bot that identifies more than 1,000 times a day.
MAX_IDENTIFIES = 900
DAY_S = 24 * 60 * 60

REFUSED_TOKEN = (
    "DISCORD_TOKEN was refused by Discord; reset the token on the Bot page of your application"
    " and set it again, as docs/discord.md explains."
)
# What Discord closes a connection with when another try would be closed alike.
FINAL_CLOSE_CODES = {
    4004: REFUSED_TOKEN,
    4010: "Discord refused the gateway shard that the bot asked for (4010); update Causerie.",
    4011: (
        "The bot is in more servers than one connection to Discord may serve (4011), and Causerie"
        " has one; remove the bot from some."
    ),
    4012: "Discord refused this discord.py's version of the gateway (4012); update discord.py.",
    4013: "Discord does not know the intents that the bot asked for (4013); update Causerie.",
    4014: (
        "Discord does not allow the bot the intents that it asked for (4014); look at Privileged"
        " Gateway Intents on the Bot page of your application, as docs/discord.md explains."
    ),
}


class Pauses:
    """How long to wait before the next try: longer after each failure, up to a limit.

    :param clock: the time in seconds, of which only differences matter
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._identified: deque[float] = deque(maxlen=MAX_IDENTIFIES)

    def after_failure_s(self) -> float:
        """The pause after one more failure."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self.failures, 20), LONGEST_PAUSE_S)
        self.failures += 1
        return jittered(pause_s)

    def before_identify_s(self) -> float:
        """The pause that keeps us within what Discord allows a day; nearly always 0."""
        if len(self._identified) < MAX_IDENTIFIES:
            return 0.0
        return max(0.0, self._identified[0] + DAY_S - self._clock())

    def identified(self) -> None:
        """Count a session that was asked for."""
        self._identified.append(self._clock())

    def succeeded(self) -> None:
        """Begin with short pauses again."""
        self.failures = 0


async def stay_connected(client: discord.Client, token: str) -> None:
    """Log in and stay connected until the task is cancelled.

    Whatever may pass is tried again, after a pause and with one line in the log.

    :raises SettingsError: if Discord refuses the token or what we ask for
    """
    await _log_in(client, token)
    await _connect(client)


async def _log_in(client: discord.Client, token: str) -> None:
    pauses = Pauses()
    while True:
        try:
            return await client.login(token)
        except discord.LoginFailure as error:
            raise SettingsError(REFUSED_TOKEN) from error
        except Exception as error:
            # discord.py opens a session at each login and closes none; closing it closes its
            # connector too.
            await client.http.close()
            client.http.connector = aiohttp.TCPConnector(limit=0)
            await _pause(error, max(pauses.after_failure_s(), retry_after_s(error)))


async def _connect(client: discord.Client) -> None:
    pauses = Pauses()
    resume: dict[str, Any] = {}  # what continues the last session; empty for a new one
    ws: DiscordWebSocket | None = None
    while True:
        if not resume:
            if wait_s := pauses.before_identify_s():
                logger.warning("Discord allows no new session today; waiting for %.0f s", wait_s)
                await asyncio.sleep(wait_s)
            pauses.identified()
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                # Called initial, discord.py adds no pause of its own.
                client.ws = ws = await DiscordWebSocket.from_client(
                    client, initial=True, shard_id=client.shard_id, **resume
                )
            connected_at = time.monotonic()
            while True:
                await ws.poll_event()
                if time.monotonic() - connected_at > LASTED_S:
                    pauses.succeeded()
        except Exception as error:
            if isinstance(error, discord.ConnectionClosed) and error.code in FINAL_CLOSE_CODES:
                raise SettingsError(FINAL_CLOSE_CODES[error.code]) from error
            client.dispatch("disconnect")
            pause_s = pauses.after_failure_s()
            resume = {}
            if ws is not None:
                await ws.close()  # it may be open still, and its heart beats in a thread
                if _can_resume(ws, error) and pauses.failures <= RESUME_TRIES:
                    resume = {"resume": True, "session": ws.session_id, "sequence": ws.sequence,
                              "gateway": ws.gateway}  # fmt: skip
            await _pause(error, pause_s)


def _can_resume(ws: DiscordWebSocket, error: Exception) -> bool:
    """Whether Discord may still have the session, and nothing in it was what failed."""
    if ws.session_id is None:
        return False
    if isinstance(error, ReconnectWebSocket):
        return error.resume
    return isinstance(error, discord.ConnectionClosed | aiohttp.ClientError | OSError)


async def _pause(error: Exception, pause_s: float) -> None:
    # Discord asks for a new connection now and then, which is nothing to be warned of.
    level = logging.INFO if isinstance(error, ReconnectWebSocket) else logging.WARNING
    logger.log(
        level, "no connection to Discord (%s); trying again in %.0f s", cause(error), pause_s
    )
    logger.debug("why there was no connection", exc_info=error)
    await asyncio.sleep(pause_s)
