import io
import logging
from collections.abc import Iterator

import pytest

from bot.log import MESSAGE, REDACTED, EventFormatter, configure

logger = logging.getLogger("bot.test")
SECRET = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream that the root logger writes to for the length of a test."""
    root, library = logging.getLogger(), logging.getLogger("discord")
    handlers, levels = root.handlers[:], (root.level, library.level)
    # configure closes and removes what it finds, and pytest still needs its own handlers.
    root.handlers.clear()
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    library.setLevel(levels[1])


def test_an_event_is_one_line_with_time_level_and_origin(stream: io.StringIO) -> None:
    configure("INFO", stream)

    logger.info("answered message %d", 42)

    (line,) = stream.getvalue().splitlines()
    assert line.endswith(" INFO bot.test: answered message 42")
    assert line[:4].isdigit()


def test_events_below_the_level_are_left_out(stream: io.StringIO) -> None:
    configure("WARNING", stream)

    logger.info("too quiet")

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\n2026-01-01 INFO forged: line",
        "a\x1b[31mred",
        "a\u2028b",
        "a\x85b",
        "a\u202eb",
        "\ud800",
    ],
)
def test_text_from_outside_cannot_break_out_of_its_line(text: str, stream: io.StringIO) -> None:
    configure("INFO", stream)

    logger.info("name: %s", text)

    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert written.strip().isprintable()
    written.encode("utf-8")


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    configure("INFO", stream)

    try:
        raise ValueError("broken \ud800")
    except ValueError:
        logger.exception("it failed")

    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("it failed")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == r"ValueError: broken \ud800"


def test_a_traceback_cannot_command_a_terminal(stream: io.StringIO) -> None:
    configure("INFO", stream)

    try:
        raise ValueError("\x1b[2J \u202e")
    except ValueError:
        logger.exception("it failed")

    assert stream.getvalue().endswith("ValueError: \\x1b[2J \\u202e\n")


def test_a_secret_is_redacted_in_messages_arguments_and_tracebacks(stream: io.StringIO) -> None:
    configure("INFO", stream, secrets=["", SECRET[:10], SECRET])

    try:
        raise ValueError(f"refused: {SECRET}")
    except ValueError:
        logger.exception("token %s", SECRET)

    written = stream.getvalue()
    assert SECRET[:10] not in written
    assert SECRET[-10:] not in written
    assert written.count(REDACTED) == 2


def test_configuring_again_replaces_the_stream(stream: io.StringIO) -> None:
    configure("INFO", io.StringIO())
    configure("INFO", stream)

    logger.info("once")

    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize(("level", "library_level"), [("DEBUG", "INFO"), ("ERROR", "ERROR")])
def test_the_gateway_events_that_discord_py_logs_below_info_are_never_written(
    level: str, library_level: str, stream: io.StringIO
) -> None:
    configure(level, stream)

    logging.getLogger("discord.gateway").debug("WebSocket Event: what a user wrote")

    assert stream.getvalue() == ""
    assert logging.getLogger("discord").level == logging.getLevelNamesMapping()[library_level]


def test_a_warning_of_a_command_is_one_printable_line() -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, "%s: skipped", ("a\n\x1b[2J",), None)
    assert EventFormatter(line=MESSAGE).format(record) == r"a\n\x1b[2J: skipped"
