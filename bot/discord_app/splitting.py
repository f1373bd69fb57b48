"""A text that is too long for one message, in pieces.

Pure functions; nothing here knows a client.
"""

import re
import unicodedata

MESSAGE_LIMIT = 2000

FENCE = "```"
_FENCE_CLOSED = f"\n{FENCE}"
_FENCE_OPENED = re.compile(r"```(?:([\w+#.-]{1,20})\n)?")
# A shorter limit leaves no room for a closed and an opened fence beside the text.
_FENCE_MIN_LIMIT = 80

# From the best place to cut to the worst. A cut is where the match ends; white space around it
# is dropped.
_BOUNDARIES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?\N{HORIZONTAL ELLIPSIS}]+[\"'\N{RIGHT DOUBLE QUOTATION MARK})\]]*(?=\s)"),
    re.compile(r"\s+"),
)


def split_message(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Cut the text into pieces that Discord accepts; none is blank, and of a blank text is none.

    The cut is at the end of a paragraph, else of a line, a sentence or a word, else anywhere but
    inside a character that is made of several code points. Only white space at a cut is lost. A
    code block that is cut is closed in the one piece and opened again in the next.

    :param limit: UTF-16 code units, of which a text has at least as many as code points
    """
    pieces = []
    opened = ""  # the fence that opens the code block in which ``rest`` starts
    rest = text.strip()
    fenced = FENCE in text and limit >= _FENCE_MIN_LIMIT
    while rest:
        room = limit - len(opened)
        if _units_fit(rest, room) == len(rest):
            pieces.append(opened + rest)
            break
        if fenced:
            room -= len(_FENCE_CLOSED)
        cut = _find_cut(rest, _units_fit(rest, room))
        piece = opened + rest[:cut].rstrip()
        if fenced:
            opened = _open_fence(piece)
        pieces.append(piece + _FENCE_CLOSED if opened else piece)
        # In a code block the indentation of the next line belongs to the text.
        rest = rest[cut:].lstrip("\n") if opened else rest[cut:].lstrip()
        if not rest.strip() or (opened and rest.strip() == FENCE):
            break  # what is left is blank, or only the fence that has just been closed
    return pieces


def _units_fit(text: str, room: int) -> int:
    """How many code points from the start fit into ``room`` UTF-16 code units; at least one."""
    for index, character in enumerate(text):
        room -= 2 if character > "\uffff" else 1
        if room < 0:
            return max(index, 1)
    return len(text)


def _find_cut(text: str, end: int) -> int:
    """The best index from 1 to ``end`` to cut the text at."""
    for boundary in _BOUNDARIES:
        # The white space that ends the piece may lie beyond it.
        cuts = [match.start() if match[0].isspace() else match.end()
                for match in boundary.finditer(text, 0, end + 1)]  # fmt: skip
        best = max((cut for cut in cuts if cut <= end), default=0)
        # A good boundary near the start would leave a stub of a message. A word is never worth
        # cutting for that.
        if best > (0 if boundary is _BOUNDARIES[-1] else end // 2):
            return best
    cut = end
    while cut > 0 and _belong_together(text, cut):
        cut -= 1
    return cut or end


def _belong_together(text: str, index: int) -> bool:
    """Whether the code points before and at ``index`` show as one character, or as one fence."""
    before, after = text[index - 1], text[index]
    if before == after == "`":
        return True
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return True
    joiner = "\N{ZERO WIDTH JOINER}"
    if joiner in (before, after) or unicodedata.category(after) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return True  # a skin tone, or the tags that spell a region's flag
    if _is_regional(before) and _is_regional(after):
        # Flags are pairs of regional indicators: an odd run before the cut splits one.
        start = index
        while start > 0 and _is_regional(text[start - 1]):
            start -= 1
        return (index - start) % 2 == 1
    return False


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _open_fence(piece: str) -> str:
    """The fence that opens the code block in which the piece ends; empty outside of one."""
    fences = list(_FENCE_OPENED.finditer(piece))
    if len(fences) % 2 == 0:
        return ""
    return f"{FENCE}{fences[-1][1] or ''}\n"
