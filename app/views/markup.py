"""Texts that somebody else wrote, for those who would read markup in them.

Everything a visitor, a file or another program named goes through here on its way to Markdown or to
a chart; HTML and SVG are written with `html.escape`, the components use `textContent`.
"""

from __future__ import annotations

import html
import re

_SIGNS = re.compile(r"[\\`*_\[\]<>$~:#|]")
# Bare addresses become links after backslashes have been taken away: an invisible joiner (U+2060)
# parts what they are recognised by.
_ADDRESS = re.compile(r"(?i)(https?|www)(?=\.|\\?:)|(?=@)")
_JOINER = "\u2060"


def plain(text: str) -> str:
    """A text in which no character means Markdown markup."""
    escaped = _SIGNS.sub(r"\\\g<0>", text)
    return _ADDRESS.sub(rf"\g<0>{_JOINER}", escaped)


def chart(text: str) -> str:
    """A text for plotly, which reads `<b>` and `%{x}` as markup."""
    return html.escape(text, quote=False).replace("%{", "%&#123;")
