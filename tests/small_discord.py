"""A small Discord: enough REST and gateway, over real sockets, for one bot in a process of its own.

It fails as the real one does where a test tells it to.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

REPOSITORY = Path(__file__).parent.parent
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"

ME = {"id": "198622483471925248", "username": "Causerie", "discriminator": "0", "avatar": None}
ALICE = {"id": "398622483471925248", "username": "alice", "discriminator": "0", "avatar": None}

# What stands before Discord answers with a page when it has seen too many requests.
CLOUDFLARE_PAGE = "<!doctype html>\n<html><title>Error 1015</title>" + "<p>banned</p>" * 250

# The bot around a responder that takes half a second for "slow" and for ever for "forever".
SERVICE = """
import asyncio, sys
import discord, yarl
from bot import log
from bot.discord_app import client, gateway, posting, shutdown
from bot.errors import CauserieError

class Slow:
    async def reply(self, *turns, user):
        if turns[-1] == "forever":
            await asyncio.Event().wait()
        if turns[-1] == "slow":
            await asyncio.sleep(0.5)
        return turns[-1].upper()

async def main(port, token, pause_s, drain_timeout_s):
    log.configure("INFO", sys.stdout, [token])
    gateway.FIRST_PAUSE_S = float(pause_s)
    posting.RETRY_PAUSES_S = (0.0,) * 5
    shutdown.CLOSE_TIMEOUT_S = 0.1
    discord.http.Route.BASE = f"http://127.0.0.1:{port}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://127.0.0.1:{port}/gateway")
    try:
        causerie = client.CauserieClient(Slow())
        await shutdown.run_until_signal(causerie, token, float(drain_timeout_s))
    except CauserieError as error:
        print(type(error).__name__, error)
        sys.exit(error.exit_code)

asyncio.run(main(*sys.argv[1:]))
"""

Failure = Callable[[web.Request], web.StreamResponse]


def as_json(data: dict[str, Any], status: int = 200) -> web.Response:
    # discord.py compares the whole header, and aiohttp would append a charset.
    headers = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=headers)


def unauthorized(request: web.Request) -> web.Response:
    return as_json({"message": "401: Unauthorized", "code": 0}, status=401)


def unavailable(request: web.Request) -> web.Response:
    return web.Response(status=503, text="<html>upstream connect error</html>")


def rate_limited(request: web.Request) -> web.Response:
    return web.Response(status=429, text=CLOUDFLARE_PAGE, content_type="text/html")


def break_connection(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def unreadable(request: web.Request) -> web.Response:
    return web.Response(text="<html>a portal</html>", content_type="text/html")


def incomplete(request: web.Request) -> web.Response:
    return as_json({})


class Discord:
    """Enough of Discord for one bot that logs in and has a conversation.

    :ivar login_failures: what the next requests for ``/users/@me`` get instead of an answer
    :ivar handshake_failures: what the next attempts to open the gateway get
    :ivar hello_close_codes: with what the next connections are closed in place of HELLO
    :ivar identify_close_codes: with what the next connections are closed in place of READY
    :ivar post_failures: what the next posts get
    :ivar takes_before_failing: whether a post that fails was taken all the same
    :ivar confirms_close: whether it answers when the bot closes the gateway
    """

    def __init__(self) -> None:
        self.login_failures: list[Failure] = []
        self.handshake_failures: list[Failure] = []
        self.hello_close_codes: list[int] = []
        self.identify_close_codes: list[int] = []
        self.post_failures: list[Failure] = []
        self.takes_before_failing = False
        self.confirms_close = True
        self.logins = 0
        self.identified = asyncio.Event()
        self.identifies = 0
        self.resumes = 0
        self.typing = asyncio.Event()
        self.attempts = 0  # to post
        self.posts: list[dict[str, Any]] = []
        self.posted = asyncio.Event()
        self.close_code: int | None = None
        self._socket: web.WebSocketResponse | None = None
        self._messages = 0
        self._port = 0

    async def start(self) -> int:
        """Listen, on the port of before or a free one, and return it."""
        app = web.Application()
        app.router.add_get("/api/v10/users/@me", self._me)
        app.router.add_get("/api/v10/oauth2/applications/@me", self._application)
        app.router.add_post("/api/v10/channels/{channel}/typing", self._typing)
        app.router.add_post("/api/v10/channels/{channel}/messages", self._message)
        app.router.add_get("/gateway", self._gateway)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        return self._port

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def deliver(self, content: str) -> None:
        """Let alice write the bot a direct message."""
        self._messages += 1
        message = message_payload(str(598622483471925248 + self._messages), ALICE, content)
        await self.send_event("MESSAGE_CREATE", message)

    async def send_event(self, event: str, data: dict[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send_json({"op": 0, "t": event, "s": 2, "d": data})

    async def send_text(self, text: str) -> None:
        assert self._socket is not None
        await self._socket.send_str(text)

    async def invalidate_session(self) -> None:
        assert self._socket is not None
        await self._socket.send_json({"op": 9, "d": False})

    async def close_gateway(self, code: int) -> None:
        assert self._socket is not None
        self.identified.clear()
        await self._socket.close(code=code)

    async def _me(self, request: web.Request) -> web.StreamResponse:
        self.logins += 1
        if self.login_failures:
            return self.login_failures.pop(0)(request)
        return as_json(ME)

    async def _application(self, request: web.Request) -> web.Response:
        return as_json(
            {"id": ME["id"], "name": "Causerie", "description": "", "icon": None, "owner": ALICE,
             "bot_public": True, "bot_require_code_grant": False, "verify_key": "", "flags": 0}
        )  # fmt: skip

    async def _typing(self, request: web.Request) -> web.Response:
        self.typing.set()
        return web.Response(status=204)

    async def _message(self, request: web.Request) -> web.StreamResponse:
        post = await request.json()
        self.attempts += 1
        fail = self.post_failures.pop(0) if self.post_failures else None
        known = any(post["nonce"] == other["nonce"] for other in self.posts)
        if not known and (fail is None or self.takes_before_failing):
            self.posts.append(post)
        if fail is not None:
            return fail(request)
        self.posted.set()
        return as_json(message_payload("698622483471925248", ME, post["content"]))

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        if self.handshake_failures:
            return self.handshake_failures.pop(0)(request)
        self._socket = socket = web.WebSocketResponse(autoclose=self.confirms_close)
        await socket.prepare(request)
        if self.hello_close_codes:
            await socket.close(code=self.hello_close_codes.pop(0))
            return socket
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40_000}})
        async for frame in socket:
            op = json.loads(frame.data)["op"] if frame.type is WSMsgType.TEXT else None
            if op == 2 and self.identify_close_codes:
                await socket.close(code=self.identify_close_codes.pop(0))
            elif op == 2:
                self.identifies += 1
                ready = {"v": 10, "user": ME, "guilds": [], "session_id": "1", "shard": [0, 1],
                         "resume_gateway_url": f"ws://{request.host}/gateway",
                         "application": {"id": ME["id"], "flags": 0}}  # fmt: skip
                await socket.send_json({"op": 0, "t": "READY", "s": 1, "d": ready})
                self.identified.set()
            elif op == 6:
                self.resumes += 1
                await socket.send_json({"op": 0, "t": "RESUMED", "s": 2, "d": {}})
                self.identified.set()
        self.close_code = socket.close_code
        if not self.confirms_close:
            await asyncio.Event().wait()
        return socket


def message_payload(message_id: str, author: dict[str, Any], content: str) -> dict[str, Any]:
    return {"id": message_id, "channel_id": "498622483471925248", "author": author,
            "content": content, "timestamp": "2026-01-01T00:00:00+00:00", "type": 0,
            "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [],
            "mention_roles": [], "attachments": [], "embeds": [], "pinned": False}  # fmt: skip


class Service:
    """The bot in a process of its own, connected to a Discord of the test."""

    def __init__(self, there: Discord) -> None:
        self.there = there
        self._output = ""

    async def start(
        self, *, pause_s: float = 0.0, drain_timeout_s: float = 5.0, reachable: bool = True
    ) -> None:
        port = await self.there.start()
        if not reachable:
            await self.there.stop()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVICE, str(port), TOKEN, str(pause_s), str(drain_timeout_s),
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    async def says(self, text: str) -> None:
        """Wait until the log has a line with the text, after the one that was waited for last."""
        assert self.process.stdout is not None
        line = ""
        while text not in line:
            line = (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode()
            assert line, f"it ended without {text!r}:\n{self._output}"
            self._output += line

    async def finish(self) -> tuple[int | None, str]:
        """Exit code and everything that was written."""
        output, _ = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, self._output + output.decode()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()
        await self.there.stop()
