"""Which split a conversation belongs to: what is trained on, validated on and tested on."""

from hashlib import sha256

from bot.data.corpora.conversation import Conversation

SPLITS = ("train", "valid", "test")
HELD_OUT_PERMILLE = 10  # each of valid and test


def split_of(conversation: Conversation) -> str:
    """``train``, ``valid`` or ``test``, by the content alone, so that no conversation is in two."""
    if conversation.split:
        return conversation.split
    digest = sha256("\n".join(conversation.turns).encode("utf-8", "surrogatepass")).digest()
    bucket = int.from_bytes(digest[:8], "big") % 1000
    if bucket < HELD_OUT_PERMILLE:
        return "valid"
    return "test" if bucket < 2 * HELD_OUT_PERMILLE else "train"
