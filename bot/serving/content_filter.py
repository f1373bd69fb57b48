"""What the bot does not take up, and what it never says.

A small model agrees with nearly everything. Lists of words are a blunt tool: they find harmless
messages too. So the answer to what they find is kind and blames nobody.
"""

from bot.serving.sentences import CARE, DEFLECTION
from bot.text.word_list import WordList


class ContentFilter:
    """Stands before and behind the model.

    :param unsaid: a reply that holds one of these is not said
    :param hateful: a message that holds one of these is not shown to the model
    :param self_harm: a message that holds one of these is answered by naming who can help
    """

    def __init__(self, unsaid: WordList, hateful: WordList, self_harm: WordList) -> None:
        self._unsaid = unsaid
        self._hateful = hateful
        self._self_harm = self_harm

    @classmethod
    def default(cls) -> "ContentFilter":
        """A filter with the lists that come with Causerie."""
        return cls(*map(WordList.named, ("default", "hateful", "self-harm")))

    def answer_to(self, message: str) -> str | None:
        """What to answer in the model's place; ``None`` where the model may answer."""
        straight = message.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        if self._self_harm.search(straight):
            return CARE
        return DEFLECTION if self._hateful.search(straight) else None

    def allows(self, reply: str) -> bool:
        """Whether a reply may be said."""
        return not self._unsaid.search(reply)
