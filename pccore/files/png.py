"""NAME.png: the drawn circuit as PNG (for writing only)."""

from __future__ import annotations

from pccore.drawing import to_png
from pccore.files.pictures import picture_format

FORMAT = picture_format("png", "Picture of pixels", (".png",), to_png)
