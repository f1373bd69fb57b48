"""What fails between us and Discord: the cause in a few words, and whether it may pass."""

import random

import aiohttp
import discord
from discord.gateway import ReconnectWebSocket

LONGEST_CAUSE = 200  # characters
LONGEST_RETRY_AFTER_S = 3600.0

# After these discord.py has tried several times already.
_TRIED_AGAIN = (500, 502, 504, 524)


def cause(error: BaseException) -> str:
    """The cause in a few words; never a page that a server sent."""
    if isinstance(error, discord.HTTPException):
        status = f"Discord answered {error.status} {error.response.reason}"
        # Only Discord itself has codes; anything in front of it answers with pages.
        return f"{status}: {_first_line(error.text)}" if error.code else status
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"Discord's gateway answered {error.status}"
    if isinstance(error, ReconnectWebSocket):
        return "Discord closed the connection"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {_first_line(str(error))}".removesuffix(": ")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:LONGEST_CAUSE]


def is_broken_connection(error: BaseException) -> bool:
    """Whether the connection broke or Discord is down: the same request may succeed soon."""
    if isinstance(error, discord.DiscordServerError):
        return error.status not in _TRIED_AGAIN
    return isinstance(error, aiohttp.ClientError | OSError)  # a TimeoutError is an OSError


def retry_after_s(error: BaseException) -> float:
    """How long the server asks us to wait; 0 if it does not say."""
    if not isinstance(error, discord.HTTPException):
        return 0.0
    header = error.response.headers.get("Retry-After", "")
    return min(float(header), LONGEST_RETRY_AFTER_S) if header.isdecimal() else 0.0


def jittered(pause_s: float) -> float:
    """A pause a bit shorter by chance, so that not all who failed together try again together."""
    return pause_s * random.uniform(0.75, 1.0)
