import logging
from types import SimpleNamespace

import discord
import pytest
from discord_world import World
from small_discord import CLOUDFLARE_PAGE

from bot.discord_app.chat import BUSY, FAILED
from bot.discord_app.client import CauserieClient
from bot.discord_app.failures import LONGEST_RETRY_AFTER_S, cause, retry_after_s
from bot.errors import BusyError, DeadlineError, SearchFailedError


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (SearchFailedError("broken"), FAILED),
        (ZeroDivisionError("a bug"), FAILED),
    ],
)
async def test_a_failure_is_one_friendly_sentence_and_its_cause_is_logged_without_the_message(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception, answer: str
) -> None:
    world.responder.answer = error
    with caplog.at_level(logging.INFO, logger="bot"):
        message = await world.alice.send(world.channel, f"{world.me} my secret")

    assert world.answers() == [answer]
    record = next(record for record in caplog.records if record.levelno >= logging.WARNING)
    assert str(message.id) in record.getMessage()
    assert str(world.channel.id) in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is error
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [BusyError("full"), DeadlineError("late")])
async def test_overload_is_one_friendly_sentence_that_is_counted_and_not_logged_each_time(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    world.responder.answer = error
    with caplog.at_level(logging.INFO, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")
        await world.alice.send(world.channel, f"{world.me} hello?")

    client = world.env.bot
    assert isinstance(client, CauserieClient)
    assert world.answers() == [BUSY, BUSY]
    assert client.chat.busy_answers == 2
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_no_message_content_is_logged_when_all_goes_well(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await world.alice.send(world.channel, f"{world.me} my secret")

    assert world.answers() == ["MY SECRET"]
    assert "secret" not in caplog.text.lower()


@pytest.mark.parametrize("blank", ["", "  \n", "\x00"])
async def test_a_blank_reply_is_not_posted_as_such(world: World, blank: str) -> None:
    world.responder.answer = blank
    await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == [FAILED]


async def test_a_deleted_message_is_answered_all_the_same(world: World) -> None:
    await world.alice.send(world.channel, f"{world.me} hello")

    assert world.posts[0]["message_reference"]["fail_if_not_exists"] is False


@pytest.mark.parametrize(
    ("status", "level"), [(403, "INFO"), (404, "INFO"), (400, "ERROR"), (500, "ERROR")]
)
async def test_an_answer_that_discord_refuses_for_good_is_a_log_line(
    world: World, caplog: pytest.LogCaptureFixture, status: int, level: str
) -> None:
    world.env.inject_error("POST", "/channels/*/messages", status=status, times=None)
    with caplog.at_level(logging.INFO, logger="bot"):
        await world.alice.send(world.channel, f"{world.me} hello")

    assert world.answers() == []
    record = caplog.records[-1]
    assert record.levelname == level
    assert "stays unanswered" in record.getMessage()
    assert record.exc_info is None


def answered(status: int, text: str, **headers: str) -> discord.HTTPException:
    response = SimpleNamespace(status=status, reason="Reason", headers=headers)
    return discord.HTTPException(response, text)  # type: ignore[arg-type]


def test_a_cause_is_no_page_and_no_long_text() -> None:
    assert cause(answered(429, CLOUDFLARE_PAGE)) == "Discord answered 429 Reason"
    assert len(cause(ValueError("x" * 9999 + "\nsecond line"))) < 250


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("999999", LONGEST_RETRY_AFTER_S), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)
def test_the_pause_that_a_server_asks_for_is_kept_within_reason(
    header: str, seconds: float
) -> None:
    assert retry_after_s(answered(429, "", **{"Retry-After": header})) == seconds
    assert retry_after_s(answered(429, "")) == 0
    assert retry_after_s(OSError()) == 0
