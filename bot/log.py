"""Logging: one line an event, on the stream that the command chooses, without secrets.

Log records carry ids and durations. What users write is not logged at INFO or above.
"""

import logging
from collections.abc import Iterable
from typing import TextIO

from bot.printable import printable, printable_lines

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MESSAGE = "%(message)s"
DATE_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
REDACTED = "[redacted]"


class EventFormatter(logging.Formatter):
    """Formats a record as one line; only a traceback adds more.

    :param secrets: strings that must not appear in the output; each is replaced
    :param line: what the line of the event has
    """

    def __init__(self, secrets: Iterable[str] = (), line: str = FORMAT) -> None:
        super().__init__(line, DATE_FORMAT)
        # The longest first: a secret may contain another one.
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line of the event, with everything unprintable spelt out."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The line and the traceback, if there is one."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return printable_lines(text)  # a traceback may quote anything


def configure(level: str, stream: TextIO, secrets: Iterable[str] = ()) -> None:
    """Send everything from ``level`` on to ``stream``, in place of earlier handlers.

    :param level: the name of a logging level, such as ``INFO``
    :param stream: standard output for the service, standard error where output is for the user
    :param secrets: strings that are replaced wherever they would appear, tracebacks included
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EventFormatter(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Below INFO discord.py logs whole gateway events, and with them what users write.
    discord_level = max(logging.getLogger().level, logging.INFO)
    logging.getLogger("discord").setLevel(discord_level)
