import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from aiohttp import WSMsgType, web

from bot.discord_app.chat import Chat
from bot.discord_app.client import CauserieClient, make_intents

REPOSITORY = Path(__file__).parent.parent.parent
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"

ME = {"id": "198622483471925248", "username": "Causerie", "discriminator": "0", "avatar": None}
ALICE = {"id": "398622483471925248", "username": "alice", "discriminator": "0", "avatar": None}


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


# The whole process, against a small Discord of our own: REST and gateway over real sockets.

SERVICE = """
import asyncio, sys
import discord, yarl
from bot import log
from bot.discord_app.client import CauserieClient, run_client
from bot.errors import CauserieError

class Slow:
    async def reply(self, text, user):
        if text == "forever":
            await asyncio.Event().wait()
        await asyncio.sleep(0.5)
        return text.upper()

async def main(port, token):
    log.configure("INFO", sys.stdout, [token])
    discord.http.Route.BASE = f"http://127.0.0.1:{port}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://127.0.0.1:{port}/gateway")
    try:
        await run_client(CauserieClient(Slow()), token, drain_timeout_s=2)
    except CauserieError as error:
        print(type(error).__name__, error)
        sys.exit(error.exit_code)

asyncio.run(main(*sys.argv[1:]))
"""


def as_json(data: dict[str, Any], status: int = 200) -> web.Response:
    # discord.py compares the whole header, and aiohttp would append a charset.
    headers = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=headers)


class Discord:
    """Enough of Discord for one bot that logs in and has a conversation."""

    def __init__(self, *, accepts_token: bool = True) -> None:
        self.accepts_token = accepts_token
        self.identified = asyncio.Event()
        self.typing = asyncio.Event()
        self.posts: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._socket: web.WebSocketResponse | None = None

    async def start(self) -> int:
        """Listen on a free port and return it."""
        app = web.Application()
        app.router.add_get("/api/v10/users/@me", self._me)
        app.router.add_get("/api/v10/oauth2/applications/@me", self._application)
        app.router.add_post("/api/v10/channels/{channel}/typing", self._typing)
        app.router.add_post("/api/v10/channels/{channel}/messages", self._message)
        app.router.add_get("/gateway", self._gateway)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def deliver(self, content: str) -> None:
        """Let alice write the bot a direct message."""
        assert self._socket is not None
        message = message_payload("598622483471925248", ALICE, content)
        await self._socket.send_json({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": message})

    async def _me(self, request: web.Request) -> web.Response:
        if not self.accepts_token:
            return as_json({"message": "401: Unauthorized", "code": 0}, status=401)
        return as_json(ME)

    async def _application(self, request: web.Request) -> web.Response:
        return as_json(
            {"id": ME["id"], "name": "Causerie", "description": "", "icon": None, "owner": ALICE,
             "bot_public": True, "bot_require_code_grant": False, "verify_key": "", "flags": 0}
        )  # fmt: skip

    async def _typing(self, request: web.Request) -> web.Response:
        self.typing.set()
        return web.Response(status=204)

    async def _message(self, request: web.Request) -> web.Response:
        post = await request.json()
        self.posts.append(post)
        return as_json(message_payload("698622483471925248", ME, post["content"]))

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40_000}})
        async for frame in socket:
            if frame.type is WSMsgType.TEXT and json.loads(frame.data)["op"] == 2:
                ready = {"v": 10, "user": ME, "guilds": [], "session_id": "1", "shard": [0, 1],
                         "resume_gateway_url": f"ws://{request.host}/gateway",
                         "application": {"id": ME["id"], "flags": 0}}  # fmt: skip
                await socket.send_json({"op": 0, "t": "READY", "s": 1, "d": ready})
                self.identified.set()
        self.close_code = socket.close_code
        return socket


def message_payload(message_id: str, author: dict[str, Any], content: str) -> dict[str, Any]:
    return {"id": message_id, "channel_id": "498622483471925248", "author": author,
            "content": content, "timestamp": "2026-01-01T00:00:00+00:00", "type": 0,
            "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [],
            "mention_roles": [], "attachments": [], "embeds": [], "pinned": False}  # fmt: skip


class Service:
    """The bot in a process of its own, connected to a Discord of the test."""

    def __init__(self, there: Discord, process: asyncio.subprocess.Process) -> None:
        self.there = there
        self.process = process

    async def finish(self) -> tuple[int | None, str]:
        """Exit code and everything that was written."""
        output, _ = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, output.decode()


async def start_service(there: Discord) -> Service:
    port = await there.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(port), TOKEN,
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return Service(there, process)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = await start_service(Discord())
    try:
        await asyncio.wait_for(service.there.identified.wait(), 30)
        yield service
    finally:
        if service.process.returncode is None:
            service.process.kill()
            await service.process.communicate()
        await service.there.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service_gracefully(service: Service, number: int) -> None:
    service.process.send_signal(number)
    code, output = await service.finish()

    assert code == 0, output
    assert "Traceback" not in output
    assert "stopped" in output
    assert service.there.close_code == 1000


async def test_a_reply_under_way_is_sent_before_the_service_ends(service: Service) -> None:
    await service.there.deliver("hello")
    await asyncio.wait_for(service.there.typing.wait(), 30)
    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()

    assert [post["content"] for post in service.there.posts] == ["HELLO"]
    assert code == 0, output
    assert "Traceback" not in output


async def test_a_reply_that_never_ends_does_not_keep_the_service_alive(service: Service) -> None:
    await service.there.deliver("forever")
    await asyncio.wait_for(service.there.typing.wait(), 30)
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()

    assert service.there.posts == []
    assert code == 0, output
    assert "Traceback" not in output


async def test_a_token_that_discord_refuses_is_one_sentence_and_exit_code_two() -> None:
    there = Discord(accepts_token=False)
    code, output = await (await start_service(there)).finish()
    await there.stop()

    assert code == 2
    assert output.splitlines()[-1].startswith("SettingsError DISCORD_TOKEN was refused by Discord")
    assert "Traceback" not in output
    assert TOKEN not in output


async def test_a_discord_out_of_reach_is_one_sentence_and_exit_code_one() -> None:
    there = Discord()
    port = await there.start()
    await there.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(port), TOKEN,
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    code, output = await Service(there, process).finish()

    assert code == 1
    assert "CauserieError The connection to Discord failed" in output
    assert "Traceback" not in output
