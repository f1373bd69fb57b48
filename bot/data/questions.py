"""Whether a sentence without a final mark asks something.

English tells by its first words: "are you", "what do they". Those below are questions in nearly
every sentence that begins with them; what only may be one ("what a mess", "do it") is told apart,
so that it gets no mark at all rather than a wrong one.
"""

import re

_LEAD = (
    r"(?:(?:and|but|oh|wait|well|then|okay|ok|hey|hi|hello|um|uh|wow|haha|also|or|yeah|yes|no|cool"
    r"|nice|sure|anyways?|so(?=,| wh| how))(?: there)?(?: but)?,? )*"
)
_AUXILIARY = r"(?:do|does|did|are|is|was|were|can|could|would|will|have|has|should|am)"
# These ask too, but begin statements as well: they only keep a full stop away.
_MODAL = r"(?:may|shall|must|might|need|dare|had)"
_NEGATED = r"(?:do|does|did|are|is|was|were|ca|could|would|wo|have|has|should)n't"
_PERSON = r"(?:you|he|she|they|we|i)\b"
_SUBJECT = (
    rf"(?:{_PERSON}|(?:it|there|this|that|these|those|your|my|his|our|their|the|everyone|everything"
    r"|things|anyone|someone)\b)"
)
# What may stand between a question word and its verb: "how many cats do", "what time is".
_ASKED_FOR = (
    r"(?: else| (?:kinds?|sorts?|types?) of \w+(?: \w+)?"
    r"| (?:time|day|year|colou?r|movies?|films?|books?|songs?|music|games?|sports?|school|city"
    r"|country|language|food|one|part|subject|genre|band|show|team)"
    r"| (?:old|tall|big|long|far|often|good|bad|hard|fast|late|soon|well)"
    r"| (?:much|many)(?: (?!i\b|you\b)\w+){0,2})?"
)
_ASKS = re.compile(
    _LEAD
    + "(?:"
    + "|".join(
        (
            # Inverted: "are you", "did they". Some inversions are conditions or exclamations.
            rf"(?!should you|were (?:i|he|she)|were \w+ to|do i ever|am i (?:ever|glad)|have i got"
            rf"|will you\b.*\bplease){_AUXILIARY} {_PERSON}(?=.)",
            rf"(?!don't (?:you (?:dare|worry|ever|forget|fret)|we all)){_NEGATED} {_PERSON}",
            r"(?:is|does|isn't|doesn't) (?:it|this|that)\b(?=.)",
            r"(?:is|are|isn't|aren't) (?:there|these|those|your)\b(?=.)",
            r"(?:would|could|will|wouldn't|couldn't|won't) it\b(?=.)",
            rf"(?:what|who|how|why|where|when|which){_ASKED_FOR} (?:{_AUXILIARY}|{_NEGATED})"
            rf" {_SUBJECT}",
            r"what(?:'s| is) (?:up|wrong|going|new|happening|it|this|that|an?|the|your|his|her|my)"
            r"\b",
            r"what was (?:it|this|that|your|the|his|her|my)\b",
            r"(?:who|where|how|when|why)'s (?:it|this|that|your|he|she|the|his|her|my)\b",
            r"(?:what|how) about\b",
            r"what if\b",
            r"how come\b",
            r"why (?:not|don't|didn't|can't|won't|isn't|aren't|wouldn't|so)\b",
            r"what happened$",
            r"(?:why|who|where|when|how so|what for|who else|what else|like what|which one)$",
        )
    )
    + ")",
    re.IGNORECASE,
)
# Asked at the end: "I'm fine, and you", "It is cold, isn't it", "I like it, what about you".
_ASKS_AT_THE_END = re.compile(
    rf"(?:(?:^|, )(?:and|how about|what about) (?:you|yourself|yours)|, (?:{_AUXILIARY}|{_NEGATED})"
    rf" (?:{_PERSON}|it))$",
    re.IGNORECASE,
)
# The last clause of a sentence, if it begins after a comma or a conjunction.
_LAST_CLAUSE = re.compile(r".*(?:, | and | but )(.+)$", re.IGNORECASE)
_MAY_ASK = re.compile(
    # After any few words, be they a name or a greeting: "Mom can I go", "Sorry what did you say".
    rf"(?:\S+ ){{0,4}}(?:{_AUXILIARY}|{_MODAL}|{_NEGATED}) {_PERSON}"
    rf"|(?:\S+ ){{1,2}}(?:what|who|whose|how|why|where|when|which)(?:'s| {_AUXILIARY})\b"
    r"|(?:y|hru|wyd|wut|wot)\b"
    rf"|{_LEAD}(?:so )?(?:what|who|whose|whom|how|why|where|when|which|{_AUXILIARY}|{_MODAL}"
    rf"|{_NEGATED}|any"
    r"|anything|anyone|ever|you|your|yourself|really|want|wanna|know|remember|think|ready|got|need"
    r"|mind|care|seen|heard|like|so|still|then|think|if|they|even|not)\b"
    rf"|.*\b(?:{_AUXILIARY}|{_NEGATED}) (?:{_PERSON}|it)$|oh yeah$|and$"
    r"|.*\b(?:right|huh|hunh|eh|or|hbu|wbu|what|who|why|correct)$|.*, (?:yes|no)$"
    rf"|.*(?:: |-- |, (?:but |and |so )?| but | and | so |\bokay |\bok )"
    rf"(?:what|who|how|why|where|which"
    rf"|(?:{_AUXILIARY}|{_NEGATED}) (?:{_PERSON}|it|there|this|that)\b)",
    re.IGNORECASE,
)
_STATES = re.compile(
    rf"(?:and )?(?:so|neither|nor) {_AUXILIARY} {_PERSON}$|{_LEAD}(?:what an? "
    r"|how \w+ of (?:you|him|her|them)\b"
    r"|(?:do|have) (?:it|this|that|the|an?|as|not|your|some|me|my|fun)\b"
    r"|don't (?!(?:you|they|we|i)\b)\w|you(?:'re| are| should| will|'ll) )",
    re.IGNORECASE,
)
_ENDS_WITH_QUESTION_WORD = re.compile(r"\b(?:what|who|where|when|why|how|which)$", re.IGNORECASE)
# What only begins as a question: "do you swim, I don't".
_MOVES_ON = re.compile(r", (?:but|and|because|i|i'm|it|it's|he|she|we|they)\b", re.IGNORECASE)
MAX_WORDS = 16  # what begins with a question and goes on has often turned to something else


def final_mark(sentence: str) -> str:
    """The mark that a sentence without one lacks: ``?``, ``.``, or nothing where it is not sure."""
    if _ASKS.match(sentence):
        goes_on = sentence.count(" ") >= MAX_WORDS or _MOVES_ON.search(sentence)
        return "" if goes_on else "?"
    clause = _LAST_CLAUSE.match(sentence)
    if _ASKS_AT_THE_END.search(sentence) or (clause and _ASKS.match(clause[1])):
        return "?"
    if len(sentence) == 1 or _ENDS_WITH_QUESTION_WORD.search(sentence):
        return ""
    return "" if _MAY_ASK.match(sentence) and not _STATES.match(sentence) else "."
