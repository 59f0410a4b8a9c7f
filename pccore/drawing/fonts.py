"""The font of PDF and PNG pictures: Bitstream Vera Sans, which the reportlab package brings."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from pathlib import Path

import reportlab
from reportlab.pdfbase.ttfonts import TTFont

NAME = "pccore-vera"


def font_path() -> Path:
    """The file."""
    return Path(reportlab.__file__).with_name("fonts") / "Vera.ttf"


def vera() -> TTFont:
    """The font for a PDF; a fresh one for each document, so that nothing is shared."""
    return TTFont(NAME, str(font_path()))


def available(font: TTFont) -> Collection[int]:
    """The code points that the font has a glyph for."""
    return frozenset(font.face.charToGlyph)


def drawable(text: str, known: Collection[int]) -> str:
    """The text with what the font lacks spelled out: Greek letters by name, the rest as ?."""
    return "".join(c if ord(c) in known else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and words[1:3] in (["SMALL", "LETTER"], ["CAPITAL", "LETTER"]):
        name = words[3].lower()
        return name if words[1] == "SMALL" else name.capitalize()
    return "?"
