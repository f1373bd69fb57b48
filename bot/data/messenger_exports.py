"""Exports of messengers, which are recognised by their look and never read.

They hold the messages of people who wrote them to each other, and not to a model. Discord's
Developer Policy says so of its own: message content must not be used to train models.
"""

import re
from pathlib import Path

from bot.errors import UsageError

_CHECKED_LINES = 200
# Marks of the direction of writing, which iOS puts before a line.
_DIRECTION = re.compile("[\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\u202a-\u202e\u2066-\u2069]")
# A date, a time, and a dash or a bracket: "12/31/20, 9:15 PM - ", "[31.12.2020, 21:15:03] ".
_DATED = re.compile(
    r"\[?\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?\s+\D{0,10}\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s*"
    r"(?:[^\W\d_.]{1,2}\.?\s?[^\W\d_.]?\.?)?\s*(?:\]|-|\u2013)\s*\S"
)
# "[31-Dec-20 09:15 PM] alice#1234", as DiscordChatExporter writes it.
_DISCORD_LINE = re.compile(r"\[[^\]\n]{8,30}\d:\d\d[^\]\n]{0,10}\] [^:\n]{1,40}#\d{4}$")

# Where each of the expressions is found in the first 64 KiB of a file, that is what it is.
_LOOKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Discord", (r"\A=+\nGuild: .*\nChannel: ",)),
    ("Discord", (r'"guild"\s*:\s*\{', r'"channel"\s*:\s*\{', r'"messages"\s*:\s*\[')),
    ("Discord", (r"\A[^\n]*\bauthor\b", r"\A[^\n]*\bcontents?\b", r"\A[^\n]*\breactions\b")),
    ("Discord", (r'\A"?id"?[,;\t]"?timestamp"?[,;\t]"?contents"?[,;\t]"?attachments\b',)),
    ("Discord", (r'\A\s*\[\s*\{[^{}]*"contents"\s*:', r'"timestamp"\s*:', r'"attachments"\s*:')),
    ("Discord", (r'class="?chatlog', r'class="?preamble')),
    ("Telegram", (r'"type"\s*:\s*"message"', r'"from(_id)?"\s*:', r'"date(_unixtime)?"\s*:\s*"')),
    ("Telegram", (r'"type"\s*:\s*"(personal_chat|private_\w+|public_\w+|saved_messages)"',)),
    ("Telegram", (r'class="page_wrap', r'class="history"')),
    ("Messenger or Instagram", (r'"sender_name"\s*:', r'"timestamp_ms"\s*:')),
    ("Slack", (r'"type"\s*:\s*"message"', r'"ts"\s*:\s*"\d+\.\d+"')),
)  # fmt: skip


def refuse_export(path: Path, text: str) -> None:
    """Refuse a file that looks like an export.

    :param text: the first 64 KiB of it
    :raises UsageError: if it is one
    """
    service = _service(text)
    if not service:
        return
    rule = "; Discord's Developer Policy forbids it" if service == "Discord" else ""
    raise UsageError(
        f"{path} is an export of {service}: it holds other people's messages, which are not there"
        f" to train models on{rule}. Causerie does not read such files; give published dialogue, or"
        " your own words."
    )


def _service(text: str) -> str:
    """What a text is an export of; empty if it is none."""
    for service, expressions in _LOOKS:
        if all(re.search(expression, text, re.IGNORECASE) for expression in expressions):
            return service
    lines = [_DIRECTION.sub("", line) for line in text.split("\n", _CHECKED_LINES) if line.strip()]
    lines = lines[:_CHECKED_LINES]
    if 5 * sum(bool(_DISCORD_LINE.match(line)) for line in lines) > len(lines):
        return "Discord"
    # Messages of several lines have a date in the first.
    dated = [bool(_DATED.match(line)) for line in lines]
    return "WhatsApp" if dated and dated[0] and 5 * sum(dated) > len(dated) else ""
