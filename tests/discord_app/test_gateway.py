import asyncio
import logging
import signal
from typing import Any

import pytest
from small_discord import (
    ALICE,
    TOKEN,
    Discord,
    Service,
    break_connection,
    message_payload,
    rate_limited,
    unauthorized,
    unavailable,
)

from bot.discord_app.client import CauserieClient
from bot.discord_app.gateway import DAY_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, MAX_IDENTIFIES, Pauses

SIGTERM_S = 5  # far less than the pause in which it comes


class Nobody:
    async def reply(self, *turns: str, user: int) -> str:
        raise AssertionError("nobody is asked")


async def test_a_start_that_fails_in_many_ways_is_tried_again_with_one_line_each() -> None:
    there = Discord()
    # aiohttp itself asks once more where a connection breaks.
    there.login_failures = [break_connection, break_connection, unavailable, rate_limited]
    there.handshake_failures = [unavailable, break_connection, break_connection]
    there.hello_close_codes = [4000, 1001]
    there.identify_close_codes = [4000]
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    await there.deliver("hello")
    await service.says("answered in")
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()
    await service.stop()

    assert code == 0
    causes = [
        line.partition("no connection to Discord (")[2].partition("); trying again")[0]
        for line in output.splitlines()
        if "trying again" in line
    ]
    assert causes == [
        "ServerDisconnectedError: Server disconnected",
        "Discord answered 503 Service Unavailable",
        "Discord answered 429 Too Many Requests",
        "Discord's gateway answered 503",
        "ServerDisconnectedError: Server disconnected",
        "Discord closed the connection",
        "Discord closed the connection",
        "Discord closed the connection",
    ]
    assert "Traceback" not in output
    assert "<" not in output
    assert "Unclosed" not in output


async def test_a_signal_while_discord_is_out_of_reach_ends_the_wait_at_once() -> None:
    service = Service(Discord())
    await service.start(reachable=False, pause_s=1000)
    await service.says("trying again in")
    service.process.send_signal(signal.SIGTERM)
    code, output = await asyncio.wait_for(service.finish(), SIGTERM_S)

    assert code == 0, output
    assert "Cannot connect to host" in output
    assert "Traceback" not in output


async def test_a_token_that_discord_refuses_is_one_sentence_and_exit_code_two() -> None:
    there = Discord()
    there.login_failures = [unauthorized]
    service = Service(there)
    await service.start()
    code, output = await service.finish()
    await service.stop()

    assert code == 2
    assert output.splitlines()[-1].startswith("SettingsError DISCORD_TOKEN was refused by Discord")
    assert "Traceback" not in output
    assert TOKEN not in output


@pytest.mark.parametrize(
    ("close_code", "sentence"),
    [
        (4004, "DISCORD_TOKEN was refused by Discord; reset the token"),
        (4014, "Discord does not allow the bot the intents that it asked for (4014); look at"),
    ],
)
async def test_a_close_code_that_no_other_try_mends_is_one_sentence_and_exit_code_two(
    close_code: int, sentence: str
) -> None:
    there = Discord()
    there.identify_close_codes = [close_code]
    service = Service(there)
    await service.start()
    code, output = await service.finish()
    await service.stop()

    assert code == 2
    assert output.splitlines()[-1].startswith(f"SettingsError {sentence}")
    assert "Traceback" not in output
    assert there.identifies == 0


async def test_a_session_that_is_lost_later_is_resumed_and_a_new_one_asked_for_if_it_is_gone() -> (
    None
):
    there = Discord()
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    there.handshake_failures = [unavailable, break_connection]
    await there.close_gateway(4000)
    await asyncio.wait_for(there.identified.wait(), 30)
    assert (there.identifies, there.resumes) == (1, 1)

    there.identified.clear()
    await there.invalidate_session()
    await asyncio.wait_for(there.identified.wait(), 30)
    assert (there.identifies, there.resumes) == (2, 1)
    assert there.logins == 1
    await there.deliver("hello")
    await service.says("answered in")
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()
    await service.stop()

    assert code == 0
    assert "Traceback" not in output


async def test_a_text_that_is_no_event_end_the_session_and_not_the_bot() -> None:
    there = Discord()
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    there.identified.clear()
    await there.send_text("{")
    await asyncio.wait_for(there.identified.wait(), 30)
    await there.deliver("hello")
    await service.says("answered in")
    await service.stop()

    assert (there.identifies, there.resumes) == (2, 0)


CHANNEL_WITHOUT_POSITION = {"id": "798622483471925248", "type": 0, "name": "general"}
UNREADABLE_EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("GUILD_CREATE", {"id": "798622483471925247", "channels": [CHANNEL_WITHOUT_POSITION]}),
    ("MESSAGE_CREATE", message_payload("1", ALICE, "hello") | {"guild_id": None}),
    ("CHANNEL_DELETE", {}),
]


async def test_an_event_that_cannot_be_read_is_named_in_the_log_and_survived() -> None:
    there = Discord()
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    for event, data in UNREADABLE_EVENTS:
        await there.send_event(event, data)
    await there.deliver("hello")
    await service.says("answered in")
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()
    await service.stop()

    assert code == 0
    for event, _ in UNREADABLE_EVENTS:
        assert f"the event {event} could not be read and is left out" in output
    assert "Traceback" not in output
    assert there.identifies == 1


@pytest.mark.parametrize(
    "parts", [{"author": {"id": "598622483471925247"}}, {"author": None}, {"content": None}]
)
async def test_a_message_that_lacks_a_part_is_left_out_in_one_line(parts: dict[str, Any]) -> None:
    there = Discord()
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    message = message_payload("598622483471925240", ALICE, "hello")
    await there.send_event("MESSAGE_CREATE", message | parts)
    await there.deliver("hello")
    await service.says("answered in")
    service.process.send_signal(signal.SIGTERM)
    _, output = await service.finish()
    await service.stop()

    assert "left out" in output
    assert "Traceback" not in output
    assert len(there.posts) == 1


async def test_why_an_event_cannot_be_read_is_logged_at_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = CauserieClient(Nobody())
    with caplog.at_level(logging.DEBUG, logger="bot"):
        client._connection.parsers["CHANNEL_DELETE"]({})

    assert [record.levelname for record in caplog.records] == ["ERROR", "DEBUG"]
    assert "in parse_channel_delete" in caplog.text


def test_pauses_grow_up_to_a_limit_and_begin_anew_after_a_success() -> None:
    pauses = Pauses()
    first, *_, last = [pauses.after_failure_s() for _ in range(2000)]
    pauses.succeeded()

    assert 0 < first <= FIRST_PAUSE_S
    assert LONGEST_PAUSE_S / 2 < last <= LONGEST_PAUSE_S
    assert 0 < pauses.after_failure_s() <= FIRST_PAUSE_S


def test_no_more_sessions_are_asked_for_than_discord_allows_a_day() -> None:
    now = 0.0
    pauses = Pauses(lambda: now)
    for _ in range(1200):
        now += pauses.before_identify_s()
        pauses.identified()

    assert MAX_IDENTIFIES < 1000
    assert now == DAY_S
