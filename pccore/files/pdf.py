"""NAME.pdf: the drawn circuit as PDF (for writing only)."""

from __future__ import annotations

from pccore.drawing import to_pdf
from pccore.files.pictures import picture_format

FORMAT = picture_format("pdf", "Picture for print", (".pdf",), to_pdf)
