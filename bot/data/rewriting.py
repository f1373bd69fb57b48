"""Makes chat read like written English, so that the model learns to write it.

Each rule is right in nearly every sentence that it touches, or is not here: what is not sure stays
as it was. ``corpus show --rewrites`` prints what the rules do to a corpus.
"""

import re
from collections import Counter

from bot.data.cleaning import tidy
from bot.data.questions import final_mark
from bot.data.spelling import respelt, with_pronoun_i

_LETTER = re.compile(r"[A-Za-z]")
_EMOTICON_SIGN = re.compile(r"[:;=<^]|xd|-_")
_EMOTICON = re.compile(
    r"(?<![^\s.,!?)\"'])(?:[:;][-'^o]?[()DPpOo/\\|3]|=[()D]|[xX]D+|\^_*\^|-_+-)(?![^\s.,!?)\"'])"
    r"|(?:^|(?<=[\s.!?]))<3+(?=[\s.!?]*$)"  # a heart inside is a verb: "i <3 you"
)
# Code, tables and markup are not for these rules; ``well_written`` drops such replies.
_NO_PROSE = re.compile(r"[{}|\\_#@^=*]|0x|\s(?:-[A-Za-z]|--[a-z]+)(?=\s|$)")
# Laughter around a sentence; inside one it may be what the sentence is about.
_LAUGH = re.compile(
    r"(?:^|(?<=[.!?,] ))(?:lol+|lmf?ao+|rofl)\b(?!['\w-])[ ,.!]*"
    r"|[ ,]+(?:lol+|lmf?ao+|rofl)(?=[.!?, ]*$|[.!?])",
    re.IGNORECASE,
)
_GAP = re.compile(r" +(?=[,.!?]+(?: |$))| (?= )")
_HAHA = re.compile(r"\b([Hh])a(?:ha){2,}h?\b|\bahaha(?:ha)*h?\b")
_DOTS = re.compile(r"(?<=[\w!?\"'])(?:\.\.|\.{5,})(?=[\s\"')]|$)")  # four: three and a full stop
_MARKS = re.compile(r"([!?])\1+|(?<=[!?])\.(?!\.)")
_NO_SPACE = re.compile(r"\.(?<=[a-z][a-z]\.)(?=[A-Z][a-z])|[!?,](?<=[A-Za-z].)(?=[A-Za-z]{2})")
_EDGES = re.compile(r"^~+ *|^- *(?=[A-Za-z])|[ ~]+$")
_FIRST = re.compile(r"(?:[ai](?= )|[a-z](?! ))(?![a-z']*[A-Z]|[.)])")  # "x is greater" stays
_SENTENCE_START = re.compile(r"([!?]|[A-Za-z]{2}\.)( +[\"']?)([a-z])(?![a-z']*[A-Z]|[.)])")
_ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|st|prof|etc|vs|jr|sr|approx|inc|ltd|co|no|ft|min|hrs?|lbs?)\.$",
    re.IGNORECASE,
)
_LAST_SENTENCE = re.compile(r"(?:.*[.!?][\"')]* )?(.+)$")
_CLOSERS = "\"')]"
_EDGE_SIGNS = ("~", "-", " ")
# No sentence ends in one of these: it was broken off, or goes on in the next line.
_GOES_ON = re.compile(
    r"(?:,|\b(?:a|an|the|of|with|from|than|and|or|but|if|because|as|my|your|our|their))$",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?-i:[^a-z]{4,}$)|(?:chapter|part|book|act|scene|volume|section) \w+$", re.IGNORECASE
)
# A title, a name or who is quoted; a single word ("Yes") is one only after a sentence.
_TITLE = re.compile(
    r"(?:(?:[A-Z0-9(\"'&-]\S*|a|an|the|of|in|on|at|to|by|for|and|or|with)(?: |$))+$"
)
_SIGNED = re.compile("[.!?][\"']? +(?:--?|\u2014) ?[A-Z].*$")  # '... again." -- Yogi Berra'
_SLIPPED = re.compile(r"[!?]1+$")  # "No way!!1": the shift key was let go
_WRAPPED = 50  # characters: longer lines than messages have are lines of a column


def written(text: str, rewrites: Counter[str] | None = None) -> str:
    """A message as careful writing has it: apostrophes, capitals, closing punctuation.

    Lines (messages sent one after the other) become sentences.

    :param text: tidied, see ``tidy``
    :param rewrites: counts what is changed, by the rule; each rule once a message
    """
    rules: dict[str, None] = {}  # a set that keeps the order
    lines = _sentences(text) if "\n" in text else [text]
    result = " ".join(filter(None, [_written_line(line, rules) for line in lines]))
    if rewrites is not None and rules and result:
        rewrites.update(list(rules))
    return result


class Rewrites:
    """What ``written`` does to many turns, with an example of each rule.

    ``seen`` counts the turns, ``turns`` those that were rewritten, ``rules`` them by the rule;
    ``samples`` has an example of each, before and after, if possible one of this rule alone.
    """

    def __init__(self) -> None:
        self.seen = self.turns = 0
        self.rules: Counter[str] = Counter()
        self.samples: dict[str, tuple[str, str]] = {}
        self._alone: set[str] = set()

    def add(self, turn: str) -> tuple[list[str], str]:
        """Rewrite a turn.

        :return: the rules that did, and what they made of it
        """
        found: Counter[str] = Counter()
        after = written(tidy(turn, found), found)
        self.seen += 1
        self.turns += bool(found)
        self.rules.update(found)
        for rule in found:
            first = rule not in self.samples
            if first or (len(found) == 1 and rule not in self._alone):
                self.samples[rule] = turn, after
            if len(found) == 1:
                self._alone.add(rule)
        return list(found), after


def _sentences(text: str) -> list[str]:
    """The lines of a message; those that only go on, as wrapped text does, are joined."""
    joined: list[str] = []
    for line in text.split("\n"):
        if joined and (
            _GOES_ON.search(joined[-1])
            or (line[:1].islower() and joined[-1][-1:].isalnum() and len(joined[-1]) > _WRAPPED)
        ):
            joined[-1] += " " + line
        else:
            joined.append(line)
    return joined


def _written_line(line: str, rules: dict[str, None]) -> str:
    """A line by all rules; the names of those that changed it are added."""
    if not _LETTER.search(line):
        return ""

    def note(rule: str, changed: str) -> str:
        if changed != line:
            rules[rule] = None
        return changed

    # What a rule looks for is looked for first: most lines have hardly anything of it.
    lower = line.lower()
    if _EMOTICON_SIGN.search(lower):
        line = note("emoticon", _closed_up(_EMOTICON.sub("", line), line))
    if _NO_PROSE.search(line):
        return line
    if "lol" in lower or "lm" in lower or "rofl" in lower:
        line = note("laughter", _closed_up(_LAUGH.sub("", line), line))
    if "aha" in lower:
        line = note("laughter", _HAHA.sub(_haha, line))
    typed = line[:1].islower()
    line, spellings = respelt(line)
    rules.update(dict.fromkeys(spellings))
    line = note('pronoun "I"', with_pronoun_i(line))
    if ".." in line:
        line = note("repeated marks", _DOTS.sub("...", line))
    if "!" in line or "?" in line:
        line = note("repeated marks", _MARKS.sub(r"\1", line))
    line = note("space after punctuation", _NO_SPACE.sub(r"\g<0> ", line))
    if line[:1] in _EDGE_SIGNS or line[-1:] in _EDGE_SIGNS:
        line = note("edges", _EDGES.sub("", line))
    if line.count('"') == 1:
        line = note("lone quotation mark", _without_lone_quote(line))
    if not _LETTER.search(line):
        return ""
    if line[-1] not in ".!?":
        line = note("final mark", _ended(line))
    if typed or line[0].islower():
        line = note("capital", _with_capitals(line))
    return line


def _closed_up(line: str, before: str) -> str:
    """A line in which something left a gap, without it."""
    return line if line == before else _GAP.sub("", line).strip()


def _haha(match: re.Match[str]) -> str:
    return "Haha" if match[0][0].isupper() else "haha"


def _without_lone_quote(line: str) -> str:
    """A quotation mark that is never closed; inches (6' 2") have one too."""
    if line[0] == '"':
        return line[1:].lstrip()
    return line[:-1].rstrip() if line[-1] == '"' and not line[-2:-1].isdigit() else line


def _ended(line: str) -> str:
    """The line with a final mark, where it has none and it is sure which."""
    body = line.rstrip(_CLOSERS)
    if not body or (not body[-1].isalnum() and body[-1] not in "%$"):
        return line
    if 2 * len(_LETTER.findall(body)) < sum(map(str.isalpha, body)) or _SLIPPED.search(body):
        return line
    if line[-1] == "]" or _GOES_ON.search(body) or _HEADING.match(body) or _SIGNED.search(body):
        return line
    match = _LAST_SENTENCE.match(body)
    sentence = match[1].lstrip("\"'(") if match else body
    follows = match is not None and match.start(1) > 0
    if (_TITLE.match(sentence) and (follows or " " in sentence)) or (follows and line[-1] == ")"):
        return line
    mark = final_mark(sentence)
    inside = line[len(body) : len(body) + 1] == '"'
    return body + mark + line[len(body) :] if inside else line + mark


def _with_capitals(line: str) -> str:
    """A line that begins in lower case with a capital at the start of each sentence.

    Who begins with a capital meant the lower case that follows: "The U.S. embassy", "Oh! how".
    """
    line = line[0].upper() + line[1:] if _FIRST.match(line) else line
    return _SENTENCE_START.sub(_capital, line)


def _capital(match: re.Match[str]) -> str:
    if _ABBREVIATION.search(match.string, 0, match.end(1)):
        return match[0]
    return match[1] + match[2] + match[3].upper()
