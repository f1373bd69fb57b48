"""Makes chat look like written language, so that the model learns to write it.

Prompts are only tidied; replies must also read well, or the pair is dropped.
"""

import html
import re
from collections.abc import Callable

_PLACEHOLDER = re.compile(r"\[[^\]]*\]|\b(?:user|person) ?[12]\b", re.IGNORECASE)
_LINK = re.compile(r"https?:|www\.|\.com\b|@\w")
_EMOTICON = re.compile(r"(?<!\w)(?:[:;=][-'^]?[()DPpOo/\\|3]|[xX]D+|<3|\^_*\^|-_+-)(?!\w)")
_LAUGH = re.compile(r"\b(?:lol+|lmf?ao+|rofl|xd)\b[ ,.!]*", re.IGNORECASE)
_STRETCHED = re.compile(r"([a-z])\1\1", re.IGNORECASE)
# Spaces that a tokenised corpus leaves inside words and before punctuation.
_SPLIT_CONTRACTION = re.compile(r" (n't|'(?:s|m|re|ve|ll|d))\b", re.IGNORECASE)
_SPACE_BEFORE = re.compile(r" +([.,!?;:%])")
_SPACE_AFTER = re.compile(r"([$(]) +")

_SPELLINGS = {
    "i": "I", "im": "I'm", "ive": "I've", "ill": "I'll", "id": "I'd", "dont": "don't",
    "didnt": "didn't", "doesnt": "doesn't", "cant": "can't", "wont": "won't", "isnt": "isn't",
    "wasnt": "wasn't", "arent": "aren't", "werent": "weren't", "havent": "haven't",
    "hasnt": "hasn't", "hadnt": "hadn't", "wouldnt": "wouldn't", "couldnt": "couldn't",
    "shouldnt": "shouldn't", "thats": "that's", "whats": "what's", "hows": "how's",
    "wheres": "where's", "whos": "who's", "theres": "there's", "youre": "you're",
    "theyre": "they're", "hes": "he's", "shes": "she's", "youve": "you've", "theyve": "they've",
    "weve": "we've", "youll": "you'll", "itll": "it'll", "u": "you", "ur": "your", "r": "are",
    "ya": "you", "yea": "yeah", "cuz": "because", "cause": "because", "tho": "though",
    "thx": "thanks", "pls": "please", "plz": "please", "ok": "okay", "alot": "a lot",
    "rn": "right now", "idk": "I don't know", "btw": "by the way", "tbh": "to be honest",
    "gonna": "going to", "wanna": "want to", "kinda": "kind of", "gotta": "have to",
    "hahah": "haha", "hahaha": "haha", "hahahaha": "haha", "ahaha": "haha", "hahahah": "haha",
    "english": "English", "america": "America", "american": "American", "christmas": "Christmas",
    "monday": "Monday", "tuesday": "Tuesday", "wednesday": "Wednesday", "thursday": "Thursday",
    "friday": "Friday", "saturday": "Saturday", "sunday": "Sunday", "netflix": "Netflix",
    "youtube": "YouTube", "disney": "Disney",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_SENTENCE_START = re.compile(r"(^|[.!?]\s+)([\"'(]?)([a-z])")
_SENTENCE = re.compile(r".+?(?:[.!?]+(?=\s|$)\s*|$)", re.DOTALL)
_QUESTION = re.compile(
    r"^(?:and |but |so |oh |wait |well,? |then )?(?:what|who|whose|how|why|where|which"
    r"|do(?! i\b)|does|did|are|is|was|were|can|could|would|will|have you|has|should|am|aren't"
    r"|isn't|don't you|didn't|what's|how's|who's|where's)\b",
    re.IGNORECASE,
)


def tidy(text: str) -> str:
    """Undo what transport and tokenisation did to a message; its wording stays."""
    text = html.unescape(text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("`", "'")
    text = text.replace("\N{LEFT DOUBLE QUOTATION MARK}", '"').replace(
        "\N{RIGHT DOUBLE QUOTATION MARK}", '"'
    )
    text = _SPLIT_CONTRACTION.sub(r"\1", text)
    text = _SPACE_AFTER.sub(r"\1", _SPACE_BEFORE.sub(r"\1", text))
    return re.sub(r"[^\S\n]+", " ", text).strip()


def unusable(text: str) -> bool:
    """Whether a message has placeholders, links or no words."""
    return bool(_PLACEHOLDER.search(text) or _LINK.search(text) or not _WORD.search(text))


def written(text: str) -> str:
    """A message as careful writing has it: apostrophes, capitals, closing punctuation.

    Lines (messages sent one after the other) become sentences.
    """
    return " ".join(filter(None, (_written_line(line) for line in tidy(text).split("\n"))))


def _written_line(line: str) -> str:
    line = _LAUGH.sub("", _EMOTICON.sub("", line))
    line = _WORD.sub(_spelling, line)
    line = re.sub(r"\.{2,}", "...", line)
    line = re.sub(r"([!?])[!?.]+", r"\1", line)
    line = re.sub(r"([.!?,])(?=[A-Za-z]{2})", r"\1 ", line)
    line = re.sub(r"\s+", " ", line).strip(" ,-*~'")
    if line.count('"') % 2:
        line = line.replace('"', "").strip()
    if not _WORD.search(line):
        return ""
    if line[-1] not in ".!?":
        line = line.rstrip(",;:") + ("?" if _QUESTION.match(line) else ".")
    return _SENTENCE_START.sub(lambda m: m[1] + m[2] + m[3].upper(), line)


def _spelling(match: re.Match[str]) -> str:
    word = match[0]
    if word.isupper() and len(word) > 1 and "'" not in word:
        return word  # an acronym, or shouting that ``well_written`` drops
    spelling = _SPELLINGS.get(word.lower())
    if spelling is None:
        return "I" + word[1:] if word.lower().startswith("i'") else word
    return spelling[0].upper() + spelling[1:] if word[0].isupper() else spelling


def count_words(text: str) -> int:
    """How many words there are between white space."""
    return len(text.split())


def shortened(text: str, words: int, count: Callable[[str], int] = count_words) -> str:
    """The leading sentences that fit in so many words; empty if the first does not."""
    kept = ""
    for sentence in _SENTENCE.findall(text):
        if count(kept + sentence) > words:
            break
        kept += sentence
    return kept.strip()


def well_written(text: str) -> bool:
    """Whether a reply is plain English that a model may learn to write."""
    letters = sum(character.isalpha() for character in text)
    return (
        letters > 0.6 * len(text)
        and text.isascii()
        and not _STRETCHED.search(text)
        and not re.search(r"\b[A-Z]{4,}\b|[<>{}|\\_#*@^~=]|\d{4,}", text)
    )


def spoken(text: str) -> str:
    """The same message in lower case and without punctuation, as many people type."""
    return re.sub(r"[^\w\s']", "", text).lower()
