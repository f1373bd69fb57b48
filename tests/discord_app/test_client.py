import logging
import subprocess
import sys
from pathlib import Path

import discord
import pytest
import simcord

from bot.discord_app.chat import Chat
from bot.discord_app.client import CauserieClient, make_intents

REPOSITORY = Path(__file__).parent.parent.parent


class Echo:
    async def reply(self, text: str, user: int) -> str:
        return text


def test_no_privileged_intent_is_requested() -> None:
    intents = make_intents()

    assert {name for name, on in intents if on} == {
        "guilds",
        "guild_messages",
        "dm_messages",
    }


async def test_the_client_pings_nobody_and_keeps_no_messages_or_members() -> None:
    client = CauserieClient(Echo())

    assert client.allowed_mentions is not None
    assert client.allowed_mentions.to_dict() == {"parse": []}
    assert client._connection.max_messages is None
    assert client._connection.member_cache_flags == discord.MemberCacheFlags.none()
    assert isinstance(client.chat, Chat)


async def test_when_ready_the_log_says_who_where_and_how_to_invite(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = CauserieClient(Echo())
    with caplog.at_level(logging.INFO, logger="bot"):
        async with simcord.run(client):
            pass

    permissions = discord.Permissions(
        view_channel=True,
        send_messages=True,
        send_messages_in_threads=True,
        read_message_history=True,
    )
    assert "in 0 guilds" in caplog.text
    assert f"client_id={client.application_id}" in caplog.text
    assert f"permissions={permissions.value}" in caplog.text
    assert "scope=bot+applications.commands" in caplog.text


def test_importing_the_client_imports_no_model_no_training_and_no_torch() -> None:
    code = (
        "import sys, bot.discord_app.client\n"
        "heavy = {'bot.artifact', 'bot.data', 'bot.model', 'bot.training', 'torch'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
