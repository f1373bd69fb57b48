"""Exports of messengers, which are recognised by their look and never read.

They hold the messages of people who wrote them to each other, and not to a model. Discord's
Developer Policy says so of its own: message content must not be used to train models.
"""

import re
from pathlib import Path

from bot.errors import UsageError

_CHECKED_LINES = 200
# Marks of the direction of writing, which iOS puts before a line.
_DIRECTION = re.compile(
    "[\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\u061c\u202a-\u202e\u2066-\u2069]"
)
# A date, a time, and a dash or a bracket: "12/31/20, 9:15 PM - ", "[31.12.2020, 21:15:03] ".
_DATED = re.compile(
    r"\[?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}[,\u060c]?\s+\D{0,10}\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s*"
    r"(?:[^\W\d_.]{1,2}\.?\s?[^\W\d_.]?\.?)?\s*(?:\]|-|\u2013)\s*(?P<name>[^:\n]{1,60}:\s)?"
)
# What the lines of an export look like that begin a message.
_LINES = (
    # "[31-Dec-20 09:15 PM] alice#1234", as DiscordChatExporter writes it.
    ("Discord", re.compile(r"\[[^\]\n]{8,30}\d:\d\d[^\]\n]{0,10}\] [^:\n]{1,40}#\d{4}$")),
    # "[21:15] <@alice> Hi", with a date or without.
    (
        "IRC",
        re.compile(
            r"\[?(?:\d{4}-\d\d-\d\d[ T]|[A-Z][a-z]{2} \d\d )?\d\d:\d\d(?::\d\d)?\]?\s+"
            r"<[ @+%&~]?[^\s<>]{1,30}>\s"
        ),
    ),
    # "[Alice] [오후 3:01] Hi", "2020. 12. 31. 오후 3:01, Alice : Hi".
    (
        "KakaoTalk",
        re.compile(
            r"\[[^\]\n]{1,40}\] \[(?:\w\w )?\d{1,2}:\d\d(?: [AP]M)?\] \S"
            r"|\d{4}(?:\. |\ub144 )\d{1,2}(?:\. |\uc6d4 )\d{1,2}(?:\.|\uc77c) (?:\w\w )?"
            r"\d{1,2}:\d\d, .{1,40} : "
        ),
    ),
)

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
    (
        "LINE",
        (
            r"(?m)^\d{4}[./]\d{1,2}[./]\d{1,2}[ (]\S+$",
            r"(?m)^[^\W\d]{0,2}\d{1,2}:\d\d( ?[AP]M)?\t[^\t\n]+\t",
        ),
    ),
    ("LINE", (r"\A\[LINE\] ",)),
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
    for service, expression in _LINES:  # messages have several lines
        if 10 * sum(bool(expression.match(line)) for line in lines) > len(lines):
            return service
    dated = [_DATED.match(line) for line in lines]
    # The first may be WhatsApp's own, which has no name.
    named = [bool(match["name"]) for match in dated if match][1:]
    return "WhatsApp" if named and dated[0] and 2 * sum(named) > len(named) else ""
