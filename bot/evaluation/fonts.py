"""Which fonts write a text: matplotlib's own has no Chinese, Japanese or Korean.

Only fonts that are on the machine are chosen; a family of the list writes what those before it
cannot.
"""

import logging
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

# DejaVu Sans, which ships with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and more.
BASE_FAMILY = "sans-serif"
# Where several can write a text, the one that comes first here, then by name.
PREFERRED = (
    *("Noto Sans", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback"),
    *("PingFang", "Hiragino", "Apple SD Gothic", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Arial Unicode",),
)
SHOWN_CHARACTERS = 5


class Fonts(NamedTuple):
    """What a text is written in.

    :param families: in the order in which they are tried
    :param missing: letters, digits and marks of the text that no font on the machine has
    """

    families: tuple[str, ...]
    missing: str

    @property
    def advice(self) -> str:
        """What to install, in a sentence; empty if nothing is missing."""
        if not self.missing:
            return ""
        packages = {
            "fonts-noto-cjk" if unicodedata.east_asian_width(c) in "WF" else "fonts-noto-core"
            for c in self.missing
        }
        shown = " ".join(self.missing[:SHOWN_CHARACTERS])
        dots = " ..." if len(self.missing) > SHOWN_CHARACTERS else ""
        return (
            f"No font on this machine has {shown}{dots}, so there are boxes; on Debian and Ubuntu"
            f" install one with: sudo apt-get install {' '.join(sorted(packages))}"
        )


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Choose fonts for texts; emoji are left to be boxes.

    :raises ImportError: if matplotlib is not installed
    """
    from matplotlib import font_manager

    # It logs that a family has no font of the usual weight and another is taken.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    missing = {c for text in texts for c in text if unicodedata.category(c)[0] in "LNP"}
    base = font_manager.FontProperties(family=[BASE_FAMILY])
    missing -= _covered(font_manager.findfont(base), missing)
    families = [BASE_FAMILY]
    listed = {font.fname for font in font_manager.fontManager.ttflist}
    _choose(missing, families)
    if missing:
        # The list of fonts is a file that matplotlib wrote before the newest were installed.
        for path in {*font_manager.findSystemFonts()} - listed:
            try:
                font_manager.fontManager.addfont(path)
            except (OSError, RuntimeError):  # no font that can be read
                continue
        _choose(missing, families)
    return Fonts(tuple(families), "".join(sorted(missing)))


def _choose(missing: set[str], families: list[str]) -> None:
    """Add families of matplotlib's list for what is missing; what they have is no longer."""
    from matplotlib import font_manager

    paths = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    for name in sorted(paths, key=_preference):
        if not missing:
            return
        # The fonts of last resort have boxes, for every character.
        covered = set() if name.startswith("Last Resort") else _covered(paths[name], missing)
        if covered:
            families.append(name)
            missing -= covered


def _preference(name: str) -> tuple[int, str]:
    ranks = [rank for rank, start in enumerate(PREFERRED) if name.startswith(start)]
    return min(ranks, default=len(PREFERRED)), name


def _covered(path: str, characters: set[str]) -> set[str]:
    """The characters that a font has; none if its file cannot be read."""
    from matplotlib import font_manager

    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return set()
    return {c for c in characters if font.get_char_index(ord(c))}
