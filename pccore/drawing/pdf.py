"""A picture as a one-page PDF of vectors, with its font embedded."""

from __future__ import annotations

import io

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from pccore.drawing.fonts import NAME, available, drawable, vera
from pccore.drawing.picture import Picture, describe
from pccore.drawing.shapes import INK, PAPER, Circle, Colour, Stroke, Words, shapes


def to_pdf(drawn: Picture) -> bytes:
    """The picture as PDF. The same picture gives the same bytes."""
    stream = io.BytesIO()
    # invariant: no date and no random id in the file.
    canvas = Canvas(stream, pagesize=(drawn.width, drawn.height), invariant=1)
    font = vera()
    pdfmetrics.registerFont(font)
    known = available(font)
    canvas.setTitle(drawn.title or "Circuit")
    canvas.setSubject(describe(drawn))
    canvas.setCreator("pccore")
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    for shape in shapes(drawn):
        match shape:
            case Circle():
                _paint(canvas, PAPER, INK, 1.1)
                canvas.circle(shape.x, drawn.height - shape.y, shape.radius, stroke=1, fill=1)
            case Stroke():
                _stroke(canvas, shape, drawn.height)
            case Words():
                _words(canvas, shape, drawn.height, drawable(shape.text, known))
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def _stroke(canvas: Canvas, shape: Stroke, height: float) -> None:
    path = canvas.beginPath()
    (x, y), *rest = shape.points
    path.moveTo(x, height - y)
    for x, y in rest:
        path.lineTo(x, height - y)
    _paint(canvas, shape.colour, shape.colour, shape.thickness)
    canvas.drawPath(path, stroke=not shape.filled, fill=shape.filled)


def _words(canvas: Canvas, shape: Words, height: float, text: str) -> None:
    _paint(canvas, shape.colour, shape.colour, 1.0)
    canvas.setFont(NAME, shape.size)
    canvas.drawString(shape.x, height - shape.y, text)


def _paint(canvas: Canvas, fill: Colour, line: Colour, thickness: float) -> None:
    canvas.setFillColorRGB(*(part / 255 for part in fill))
    canvas.setStrokeColorRGB(*(part / 255 for part in line))
    canvas.setLineWidth(thickness)
