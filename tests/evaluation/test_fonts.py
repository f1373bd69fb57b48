"""Fonts for what matplotlib's own cannot write."""

import warnings
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from bot.artifact.options import Attention
from bot.evaluation.fonts import Fonts, fonts_for
from bot.evaluation.pictures import attention_figure


def font_of(characters: str, name: str, path: Path) -> Path:
    """A font in which each of the characters is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", *(f"c{ord(c):x}" for c in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"c{ord(c):x}" for c in characters})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The font files of a machine whose list of fonts is older than all of them."""
    files: list[str] = []
    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    return files


def test_a_font_that_is_on_the_machine_writes_chinese(installed: list[str], tmp_path: Path) -> None:
    installed.append(str(font_of("你好", "Some Chinese", tmp_path / "a.ttf")))
    installed.append(str(tmp_path / "gone.ttf"))
    fonts = fonts_for(["你好", "hello"])
    assert fonts == Fonts(("sans-serif", "Some Chinese"), "")
    assert fonts.advice == ""
    picture = attention_figure(Attention(["你"], ["好"], [[1.0]]), fonts.families)
    with warnings.catch_warnings(record=True) as missing:
        warnings.simplefilter("always")
        picture.draw_without_rendering()
    assert not missing, "no glyph is a box"


def test_several_fonts_share_the_work_and_the_well_known_come_first(
    installed: list[str], tmp_path: Path
) -> None:
    installed.append(str(font_of("你好가", "A Font", tmp_path / "a.ttf")))
    installed.append(str(font_of("你好", "Noto Sans CJK JP", tmp_path / "b.ttf")))
    assert fonts_for(["你好"]).families == ("sans-serif", "Noto Sans CJK JP")
    assert fonts_for(["你가"]).families == ("sans-serif", "Noto Sans CJK JP", "A Font")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "package"),
    [("日本", "fonts-noto-cjk"), ("한국", "fonts-noto-cjk"), ("ไทย", "fonts-noto-core")],
)
def test_where_there_is_no_such_font_a_sentence_names_the_package(text: str, package: str) -> None:
    fonts = fonts_for(["hello", text])
    assert set(fonts.missing) == set(text)
    assert fonts.advice.endswith(f"apt-get install {package}")


@pytest.mark.usefixtures("installed")
def test_what_matplotlib_can_write_and_emoji_need_no_advice() -> None:
    assert fonts_for(["Ça va? Привет, שלום", "🥑❤\ufe0f", "\x00\u202e"]).advice == ""
