"""A formula's text as tokens with their places."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, NamedTuple

from pccore.errors import SourceError

#: The longest text that is read.
MAX_LENGTH = 200_000

TokenKind = Literal["number", "name", "quoted", "mark", "newline", "end"]

_PATTERN = re.compile(
    r"(?P<space>[ \t\r\f\v\u00a0]+|#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<number>(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d](?:\w|[\u0300-\u036f])*'*)"
    r"|`(?P<quoted>[^`\n]+)`"
    r"|(?P<mark>\.\.|[-+*/^()\[\]{},;:=!¬~·×⊗∗⊕∈])"
)
#: One sign for each meaning.
_SAME = str.maketrans({"·": "*", "×": "*", "⊗": "*", "∗": "*", "⊕": "+", "¬": "!", "~": "!"})
_OVERLINES = "\u0304\u0305"


class Token(NamedTuple):
    """text: the name, number or sign, in its plain form. negated: whether a name had a bar."""

    kind: TokenKind
    text: str
    start: int
    end: int
    negated: bool = False


def tokens(text: str) -> list[Token]:
    """The tokens of a text, an "end" token last. Raises SourceError."""
    if len(text) > MAX_LENGTH:
        raise SourceError(
            f"the text has {len(text)} characters, more than {MAX_LENGTH}", text, 0, len(text)
        )
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            end = at + 1
            what = (
                f"{text[at]!r} means nothing here" if text[at] != "`" else "this ` has no partner"
            )
            raise SourceError(what, text, at, end)
        kind, start, at = match.lastgroup, at, match.end()
        if kind == "space":
            continue
        given = match[kind or 0]
        if kind == "name":
            found.append(_name(given, start, at))
        elif kind == "mark":
            sign = "in" if given == "∈" else given.translate(_SAME)
            found.append(Token("name" if given == "∈" else "mark", sign, start, at))
        elif kind == "number":
            found.append(Token("number", given, start, at))
        elif kind == "quoted":
            found.append(Token("quoted", given, start, at))
        else:
            found.append(Token("newline", "\n", start, at))
    found.append(Token("end", "", len(text), len(text)))
    return found


def _name(given: str, start: int, end: int) -> Token:
    parts = unicodedata.normalize("NFD", given)
    bare = "".join(c for c in parts if c not in _OVERLINES)
    text = unicodedata.normalize("NFC", bare)
    return Token("name", text, start, end, negated=bare != parts)
