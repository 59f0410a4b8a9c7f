"""NAME.tex: the drawn circuit as LaTeX with TikZ (for writing only)."""

from __future__ import annotations

from pccore.drawing import to_tikz
from pccore.files.pictures import picture_format

FORMAT = picture_format("tikz", "LaTeX drawing", (".tex",), to_tikz)
