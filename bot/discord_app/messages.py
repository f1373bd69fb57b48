"""What a message says: mentions and custom emoji as words, and what cannot be sent left out.

Pure functions; nothing here knows a client.
"""

import re
from collections.abc import Iterable, Mapping

from bot.printable import without_unprintable

_USER_MENTION = re.compile(r"<@!?(\d{15,20})>")
_CUSTOM_EMOJI = re.compile(r"<a?:(\w{2,32}):\d{15,20}>")


def strip_mention(content: str, user_id: int, role_ids: Iterable[int] = ()) -> str:
    """The content without the mentions of one user and of the roles that stand for it.

    A comma, colon or semicolon after a mention goes with it, and no gap stays where it was.
    """
    ids = "|".join([rf"!?{user_id}", *(f"&{role_id}" for role_id in role_ids)])
    first, *others = re.split(rf"<@(?:{ids})>(?:[,:;](?=\s|$))?", content)
    stripped = first.strip()
    for part in map(str.strip, others):
        gap = "" if not stripped or not part or part[0] in ".,!?" else " "
        stripped += gap + part
    return stripped


def readable(content: str, names: Mapping[int, str]) -> str:
    """The content with names in place of user mentions and of custom emoji.

    :param names: names by user id; a mention of anyone else stays as it is
    """
    content = _USER_MENTION.sub(lambda match: names.get(int(match[1]), match[0]), content)
    return _CUSTOM_EMOJI.sub(r":\1:", content)


def sendable(text: str) -> str:
    """The text without what Discord cannot take, and without white space around it.

    Lone surrogates have no UTF-8, and Discord refuses or drops control characters.
    """
    return without_unprintable(text).strip()
