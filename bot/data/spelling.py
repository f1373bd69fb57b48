"""Chat spellings, and what careful writing has for them.

A spelling that is also a word of its own ("ill", "cause", "wont") is written out only where the
words beside it leave no doubt: a wrong rewrite is worse than none, because the model learns it.
"""

import re
from typing import NamedTuple


class Spelling(NamedTuple):
    """How a chat spelling is written out, and where.

    :param rule: the group that it is counted in
    :param written: what it becomes
    :param before: must be found in what stands before it
    :param not_before: must not be found there
    :param after: must match what stands after it
    :param not_after: must not match that
    """

    rule: str
    written: str
    before: re.Pattern[str] | None = None
    not_before: re.Pattern[str] | None = None
    after: re.Pattern[str] | None = None
    not_after: re.Pattern[str] | None = None

    def fits(self, before: str, after: str) -> bool:
        """Whether the text on both sides leaves no doubt."""
        return (
            (self.before is None or self.before.search(before) is not None)
            and (self.not_before is None or self.not_before.search(before) is None)
            and (self.after is None or self.after.match(after) is not None)
            and (self.not_after is None or self.not_after.match(after) is None)
        )


def _ends(words: str) -> re.Pattern[str]:
    """Finds one of the words at the end of a text, and the space after it."""
    return re.compile(rf"(?:^|[^\w'])(?:{'|'.join(words.split())}) +$", re.IGNORECASE)


def _begins(words: str) -> re.Pattern[str]:
    """Matches a space and then one of the words."""
    return re.compile(rf" +(?:{'|'.join(words.split())})(?![\w'-])", re.IGNORECASE)


_CLAUSE_START = re.compile(
    r"(?:^|[.!?,;:] ?|(?:^| )(?:and|but|so|or|then|because|cuz|yes|yeah|no|okay|well|think|guess"
    r"|hope|maybe|if|sure|wish|oh) +)[\"'(]*$",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?] +)[\"'(]*$")
_SUBJECT_OR_START = re.compile(
    rf"{_SENTENCE_START.pattern}|(?:^|[^\w'])(?:i|you|u|we|they|he|she|it|this|that|who|which|just|really"
    r"|still|there|people|one|also|probably|definitely|sure) +$",
    re.IGNORECASE,
)
_SENTENCE_OR_CLAUSE = re.compile(r"(?:^|[.!?,] )$")
_WORD_AFTER = re.compile(r" +[A-Za-z]")
_DETERMINERS = (
    "a an the this that these those no any some every each my your his her its our their whose of"
)
_WILL = (
    "be have do go get see try take let make give tell ask call check keep need probably just never"
    " always also definitely send come look show find talk wait watch pass still not say think add"
    " stay start bring buy pay catch"
)
_WOULD = (
    "like love rather prefer say be have never probably hate go think guess do also definitely want"
    " choose pick just"
)
_SUBJECTS = "i i'm im i've i'd he he's she she's we we're they they're it's there's that's"
_ARTICLES = "a an the some my your another one"

_APOSTROPHE, _CHAT = "missing apostrophe", "chat spelling"
_JOINED, _NAME = "joined words", "capital of a name"


def _spellings() -> dict[str, list[Spelling]]:
    """By the chat spelling, in lower case; the first that fits is taken."""
    apostrophes = {
        "im": "I'm", "dont": "don't", "didnt": "didn't", "doesnt": "doesn't", "isnt": "isn't",
        "wasnt": "wasn't", "arent": "aren't", "werent": "weren't", "havent": "haven't",
        "hasnt": "hasn't", "hadnt": "hadn't", "wouldnt": "wouldn't", "couldnt": "couldn't",
        "shouldnt": "shouldn't", "thats": "that's", "whats": "what's", "theres": "there's",
        "youre": "you're", "theyre": "they're", "youve": "you've", "theyve": "they've",
        "youll": "you'll", "itll": "it'll",
    }  # fmt: skip
    chat = {
        "thx": "thanks", "pls": "please", "plz": "please", "alot": "a lot", "tho": "though",
        "idk": "I don't know", "btw": "by the way", "tbh": "to be honest", "ok": "okay",
    }  # fmt: skip
    names = (
        "English America American Christmas Netflix YouTube Disney"
        " Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
    )
    spellings = {word: [Spelling(_APOSTROPHE, written)] for word, written in apostrophes.items()}
    no_word = _ends("the this that word")
    spellings |= {
        word: [Spelling(_CHAT, written, not_before=no_word)] for word, written in chat.items()
    }
    spellings |= {name.lower(): [Spelling(_NAME, name)] for name in names.split()}
    no_noun = _ends(f"{_DETERMINERS} and or between all")
    for word, written in {
        "hes": "he's", "shes": "she's", "hows": "how's", "wheres": "where's", "whos": "who's",
        "weve": "we've", "ive": "I've",
    }.items():  # fmt: skip
        spellings[word] = [Spelling(_APOSTROPHE, written, not_before=no_noun, after=_WORD_AFTER)]
    return spellings | {
        "cant": [Spelling(_APOSTROPHE, "can't", before=_SUBJECT_OR_START, after=_WORD_AFTER)],
        "wont": [
            Spelling(
                _APOSTROPHE,
                "won't",
                before=_SUBJECT_OR_START,
                after=_WORD_AFTER,
                not_after=_begins("to"),
            )
        ],
        "ill": [Spelling(_APOSTROPHE, "I'll", before=_CLAUSE_START, after=_begins(_WILL))],
        "id": [Spelling(_APOSTROPHE, "I'd", before=_CLAUSE_START, after=_begins(_WOULD))],
        "u": [
            Spelling(
                _CHAT,
                "you",
                not_before=_ends(f"{_DETERMINERS} letter vowel e i o c 4 thx thanks"),
                not_after=re.compile(r" +(?:(?![aAiI])[A-Za-z]\b|to\b|is\b|=)"),
            )
        ],
        "ur": [
            Spelling(
                _CHAT,
                "you're",
                after=_begins("welcome right wrong so not very gonna going too really always just"),
            ),
            Spelling(
                _CHAT,
                "your",
                after=_begins("own name age favorite favourite life day job family mom dad friends?"
                " weekend hobby hobbies opinion school"),
            ),
        ],
        "r": [
            Spelling(_CHAT, "are", before=_ends("u you we they how what where who why")),
            Spelling(_CHAT, "are", after=_begins("u you we they there")),
        ],
        "rn": [Spelling(_CHAT, "right now", not_before=_ends(f"{_DETERMINERS} as"))],
        "cuz": [
            Spelling(
                _CHAT,
                "because",
                not_before=_ends(f"{_DETERMINERS} hey yo hi hello"),
                after=_WORD_AFTER,
            )
        ],
        "cause": [
            Spelling(_CHAT, "because", before=_SENTENCE_OR_CLAUSE, after=_begins(_SUBJECTS))
        ],
        "gonna": [Spelling(_JOINED, "going to", after=_WORD_AFTER, not_after=_begins(_ARTICLES))],
        "wanna": [
            Spelling(
                _JOINED,
                "want to",
                not_before=_ends("he she it"),
                after=_WORD_AFTER,
                not_after=_begins(_ARTICLES),
            )
        ],
        "kinda": [Spelling(_JOINED, "kind of")],
        "gotta": [
            Spelling(
                _JOINED,
                "have to",
                before=_ends("i you we they"),
                after=_WORD_AFTER,
                not_after=_begins(_ARTICLES),
            ),
            Spelling(
                _JOINED,
                "got to",
                before=_ends(r"\w+'ve \w+'s have has"),
                after=_WORD_AFTER,
                not_after=_begins(_ARTICLES),
            ),
        ],
    }  # fmt: skip


_SPELLINGS = _spellings()
# A capital inside a sentence makes a name of these: "Jony Ive", "the Id".
_ALSO_NAMES = frozenset(["ive", "ill", "id", "u", "ur", "r", "cant", "wont", "cause"])
# Nothing is a chat spelling that is joined to something: "U.S.", "R&B", "u-turn", "R2D2", "für".
_EDGES = r"(?<![\w'.&/@#-]){}(?![\w'&/@-]|\.\w)"
_PATTERNS = {word: re.compile(_EDGES.format(word), re.IGNORECASE) for word in _SPELLINGS}
_LETTERS = re.compile(r"[a-z]+")

_I = re.compile(r"i(?<![\w'.&/@#-]i)(?=(?:'(?:m|ll|ve|d))?(?![\w'\"&/@)=-]|\.\w))")
# Where "i" is a numeral or a letter: "chapter i", "i. Introduction".
_NO_PRONOUN = re.compile(
    r"\b(?:chapter|part|act|scene|volume|section|book|phase|letter|vowel|variable|index|use|the"
    r"|an) $",
    re.IGNORECASE,
)
_WITH_A_LETTER = re.compile(r" (?:and|or) [b-hj-z]\b")
# Who says what a word is means the word: "cant is a word", "Hes and shes".
_NAMED = re.compile(r" +(?:is|was|means) (?:an?|not|the|one)\b|\"| and \w+s[.!?]?$")


def respelt(line: str) -> tuple[str, list[str]]:
    """A line with its chat spellings written out, and the names of the rules that did it."""
    rules: list[str] = []
    found = _SPELLINGS.keys() & _LETTERS.findall(line.lower())
    for word in sorted(found) if found else ():
        changed = _PATTERNS[word].sub(_written_out, line)
        if changed != line:
            rules.append(_SPELLINGS[word][0].rule)
            line = changed
    return line, rules


def _written_out(match: re.Match[str]) -> str:
    word, before, after = match[0], match.string[: match.start()], match.string[match.end() :]
    if word.isupper() and len(word) > 1:
        return word  # an acronym, or shouting that ``well_written`` drops
    capital = word[0].isupper()
    if _NAMED.match(after) and (after[0] != '"' or before.endswith('"')):
        return word
    if capital and word.lower() in _ALSO_NAMES and not _SENTENCE_START.search(before):
        return word
    for spelling in _SPELLINGS[word.lower()]:
        if spelling.fits(before, after):
            written = spelling.written
            return written[0].upper() + written[1:] if capital else written
    return word


def with_pronoun_i(line: str) -> str:
    """A line with the pronoun "i" in capitals."""
    return _I.sub(_pronoun, line) if "i" in line else line


def _pronoun(match: re.Match[str]) -> str:
    before, after = match.string[: match.start()], match.string[match.end() :]
    numeral = (
        _NO_PRONOUN.search(before)
        or _WITH_A_LETTER.match(after)
        or (not before and after.startswith("."))
    )
    return "i" if numeral else "I"
