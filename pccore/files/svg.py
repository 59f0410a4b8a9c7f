"""NAME.svg: the drawn circuit as SVG (for writing only)."""

from __future__ import annotations

from pccore.drawing import to_svg
from pccore.files.pictures import picture_format

FORMAT = picture_format("svg", "Picture, scalable", (".svg",), to_svg)
