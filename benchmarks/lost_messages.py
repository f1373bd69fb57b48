"""Ten minutes of messages at 100 a second, each of which is accounted for.

    python benchmarks/lost_messages.py [--minutes N] [--rate N] [--model NAME]

The service as `python -m bot run` builds it, without Discord: responder, engine and the active
model. Messages come at random, each of thousands of different ones; a hundredth of the callers give
up after a moment. Every message must have one outcome (a reply, busy, too late, given up), every
reply must be the one that its message gets when nothing else is asked, and the resident memory may
not grow by 5% between the end of the first minute and the end. Exit code 1 if anything is not so.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Callable

from bot.artifact.options import GREEDY
from bot.bench.message_ledger import (
    MAX_GROWTH,
    Ledger,
    different_messages,
    line,
    replies_alone,
    resident_bytes,
    send_at_random,
    watch,
)
from bot.bench.prompts import real_prompts
from bot.cli.serving import serving
from bot.errors import CauserieError
from bot.settings import Settings, load_settings

GRACE_S = 10.0  # beyond the deadline


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Send, account, print and judge; the exit code."""
    seconds = arguments.minutes * 60
    warm_up_s = min(60.0, seconds / 10)
    after_warm_up: int | None = None

    def report(elapsed: float, resident: int | None, what: str) -> None:
        nonlocal after_warm_up
        if after_warm_up is None and elapsed >= warm_up_s:
            after_warm_up = resident
        memory = "-" if resident is None else f"{resident / 1e6:.1f} MB"
        print(f"{elapsed:5.0f} s: {what}, {memory}", flush=True)

    async with serving(settings, GREEDY) as responder:
        messages = different_messages(real_prompts(arguments.messages), arguments.messages)
        print(f"answering {len(messages):,} messages one at a time ...", flush=True)
        ledger = Ledger(await replies_alone(responder, messages))
        print(f"{arguments.rate:g} messages a second for {seconds:g} s ...", flush=True)
        watcher = asyncio.create_task(watch(ledger, min(30.0, warm_up_s), report))
        await send_at_random(
            responder,
            messages,
            ledger,
            rate=arguments.rate,
            seconds=seconds,
            patience_s=settings.reply_timeout_s + GRACE_S,
            cancelled_share=arguments.cancel,
        )
        watcher.cancel()
        resident = resident_bytes()
        print(f"  end: {line(ledger)}")
    growth = resident / after_warm_up - 1 if resident and after_warm_up else None
    grown = "not measured" if growth is None else f"{growth:+.1%}"
    print(
        f"lost {ledger.lost}, duplicated {ledger.duplicated}, wrong {ledger.wrong}; memory after"
        f" the first {warm_up_s:g} s: {grown}"
    )
    return 0 if ledger.faultless and (growth is None or growth < MAX_GROWTH) else 1


def number(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """Reads an option's number and checks it."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is no number from {least:g} to {most:g}")
        return value

    return read


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--minutes", type=number(float, 0.01, 10_000), default=10.0)
    add("--rate", type=number(float, 0.1, 10_000), default=100.0, help="messages a second")
    add("--messages", type=number(int, 2, 100_000), default=4000, help="different ones")
    add("--cancel", type=number(float, 0, 1), default=0.01, help="the share that gives up")
    add("--model", metavar="NAME[/VERSION]", help="default: the active one")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        if arguments.model is not None:
            settings = settings.model_copy(update={"model": arguments.model})
        sys.exit(asyncio.run(run(arguments, settings)))
    except CauserieError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
