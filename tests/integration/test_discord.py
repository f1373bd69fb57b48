"""The whole way of a message: Discord, the responder, the engine, the model in the repository."""

from collections.abc import AsyncIterator

import pytest
import simcord

from bot.cli.serving import serving
from bot.discord_app.client import CauserieClient
from bot.discord_app.splitting import MESSAGE_LIMIT
from bot.settings import Settings

INPUTS = [
    "hello",
    "\x00\x01\x02",
    "\N{PARTY POPPER}" * 1_900,
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{RIGHT-TO-LEFT MARK}",
    "@everyone @here",
    "```python\nprint('hello')\n```",
    "a" * MESSAGE_LIMIT,
    "<eos> <pad>",
]


@pytest.fixture
async def simcord_bot(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CauserieClient]:
    for variable in Settings.model_fields:
        monkeypatch.delenv(variable.upper(), raising=False)
    async with serving(Settings(_env_file=None)) as responder:
        yield CauserieClient(responder)


@pytest.mark.parametrize("text", INPUTS, ids=ascii)
async def test_any_direct_message_gets_one_reply_that_pings_nobody(
    simcord_env: simcord.Env, text: str
) -> None:
    alice = simcord_env.create_user("alice")
    await alice.send_dm(text)
    posts = [
        request.json or {}
        for request in simcord_env.http_requests
        if request.method == "POST" and request.path.endswith("/messages")
    ]
    assert len(posts) == 1
    assert posts[0]["content"].strip()
    assert posts[0]["allowed_mentions"]["parse"] == []
