import asyncio
import signal

import pytest
from small_discord import (
    Discord,
    Failure,
    Service,
    break_connection,
    incomplete,
    rate_limited,
    unavailable,
    unreadable,
)

from bot.discord_app.posting import RETRY_PAUSES_S


@pytest.mark.parametrize("takes_before_failing", [False, True])
@pytest.mark.parametrize(
    "failures", [[break_connection, break_connection, unavailable], [unreadable, incomplete]]
)
async def test_a_post_whose_answer_is_lost_is_sent_again_and_stands_there_once(
    failures: list[Failure],
    takes_before_failing: bool,
) -> None:
    there = Discord()
    there.takes_before_failing = takes_before_failing
    there.post_failures = list(failures)
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    await there.deliver("hello")
    await service.says("answered in")
    await service.stop()

    assert there.attempts == len(failures) + 1
    assert [post["content"] for post in there.posts] == ["HELLO"]


async def test_a_post_that_fails_for_good_is_one_line_and_the_bot_goes_on() -> None:
    there = Discord()
    there.post_failures = [break_connection] * (1 + len(RETRY_PAUSES_S)) + [rate_limited]
    service = Service(there)
    await service.start()
    await asyncio.wait_for(there.identified.wait(), 30)
    for _ in range(2):
        await there.deliver("hello")
        await service.says("stays unanswered")
    await there.deliver("hello")
    await service.says("answered in")
    service.process.send_signal(signal.SIGTERM)
    code, output = await service.finish()
    await service.stop()

    assert code == 0
    lines = [line for line in output.splitlines() if "stays unanswered" in line]
    assert [line.partition("unanswered: ")[2] for line in lines] == [
        "ServerDisconnectedError: Server disconnected",
        "Discord answered 429 Too Many Requests",
    ]
    assert "1 messages were answered, 0 of them with busy; 2 were not, 0 of them" in output
    assert "Traceback" not in output
    assert "<" not in output
