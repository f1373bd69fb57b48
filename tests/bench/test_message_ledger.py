import asyncio

from bot.bench.load import ANSWERED, BUSY
from bot.bench.message_ledger import CANCELLED, Ledger, different_messages, send_at_random
from bot.errors import BusyError

MESSAGES = ["one", "two", "three"]


class Echo:
    """Answers a message with itself, or as it is told."""

    async def reply(self, *turns: str, user: str) -> str:
        await asyncio.sleep(0)
        return turns[-1]


class Silent(Echo):
    async def reply(self, *turns: str, user: str) -> str:
        if turns[-1] == "two":
            await asyncio.Event().wait()
        return turns[-1]


class Confused(Echo):
    async def reply(self, *turns: str, user: str) -> str:
        return "one"


class Refusing(Echo):
    async def reply(self, *turns: str, user: str) -> str:
        raise BusyError("no")


async def ledger_of_a_run(responder: Echo, cancelled_share: float = 0.0) -> Ledger:
    ledger = Ledger(MESSAGES)
    await send_at_random(
        responder,
        MESSAGES,
        ledger,
        rate=2000.0,
        seconds=0.05,
        patience_s=0.1,
        cancelled_share=cancelled_share,
    )
    return ledger


async def test_a_run_whose_every_message_gets_its_reply_is_faultless() -> None:
    ledger = await ledger_of_a_run(Echo())
    assert ledger.sent > 50
    assert ledger.counts == {ANSWERED: ledger.sent}
    assert ledger.faultless


async def test_a_reply_that_never_comes_is_lost() -> None:
    ledger = await ledger_of_a_run(Silent())
    assert 0 < ledger.lost < ledger.sent
    assert not ledger.faultless


async def test_another_messages_reply_is_wrong() -> None:
    ledger = await ledger_of_a_run(Confused())
    assert 0 < ledger.wrong < ledger.sent
    assert not ledger.faultless


async def test_refused_messages_and_callers_who_give_up_are_no_fault() -> None:
    ledger = await ledger_of_a_run(Refusing())
    assert ledger.counts == {BUSY: ledger.sent}
    assert ledger.faultless
    ledger = await ledger_of_a_run(Silent(), cancelled_share=1.0)
    assert ledger.counts[CANCELLED] > 0
    assert ledger.faultless


def test_a_second_outcome_of_a_message_is_noticed() -> None:
    ledger = Ledger(MESSAGES)
    id_ = ledger.send(0)
    ledger.end(id_, ANSWERED, 0.1, "one")
    assert ledger.faultless
    ledger.end(id_, BUSY)
    assert ledger.duplicated == 1
    assert ledger.counts == {ANSWERED: 1}
    assert not ledger.faultless


def test_messages_are_as_many_as_wanted_and_all_different() -> None:
    messages = different_messages([f"prompt {i}" for i in range(50)], 60)
    assert len(set(messages)) == 60
    assert messages[0] == "prompt 0"
    assert messages == different_messages([f"prompt {i}" for i in range(50)], 60)
