"""A picture as PNG, drawn larger and scaled down, which smooths the lines."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw, ImageFont

from pccore.drawing.fonts import available, drawable, font_path, vera
from pccore.drawing.picture import Picture
from pccore.drawing.shapes import INK, PAPER, Circle, Stroke, Words, shapes

#: Pixels of the longer side, and of the enlarged picture in memory, at most.
MAX_SIDE = 8000
MAX_PIXELS = 24_000_000


def to_png(drawn: Picture, scale: float = 2.0) -> bytes:
    """The picture as PNG, `scale` pixels for a point or fewer where it would become too large."""
    width, height = png_size(drawn, scale)
    scale = width / drawn.width
    finer = max(1, min(3, int(math.sqrt(MAX_PIXELS / (width * height)))))
    image = Image.new("RGB", (width * finer, height * finer), PAPER)
    _draw(ImageDraw.Draw(image), drawn, scale * finer)
    if finer > 1:
        image = image.resize((width, height), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "png", optimize=True)
    return stream.getvalue()


def png_size(drawn: Picture, scale: float = 2.0) -> tuple[int, int]:
    """Width and height in pixels of what `to_png` makes."""
    longer = max(drawn.width, drawn.height)
    factor = min(scale, MAX_SIDE / longer, math.sqrt(MAX_PIXELS / (drawn.width * drawn.height)))
    return max(1, round(drawn.width * factor)), max(1, round(drawn.height * factor))


def _draw(draw: ImageDraw.ImageDraw, drawn: Picture, scale: float) -> None:
    known = available(vera())
    fonts: dict[float, ImageFont.FreeTypeFont] = {}
    for shape in shapes(drawn):
        match shape:
            case Circle():
                r = shape.radius
                box = [shape.x - r, shape.y - r, shape.x + r, shape.y + r]
                thick = max(1, round(1.1 * scale))
                draw.ellipse([v * scale for v in box], fill=PAPER, outline=INK, width=thick)
            case Stroke():
                points = [(x * scale, y * scale) for x, y in shape.points]
                if shape.filled:
                    draw.polygon(points, fill=shape.colour)
                else:
                    thick = max(1, round(shape.thickness * scale))
                    draw.line(points, fill=shape.colour, width=thick, joint="curve")
            case Words():
                font = fonts.get(shape.size)
                if font is None:
                    font = ImageFont.truetype(str(font_path()), max(1.0, shape.size * scale))
                    fonts[shape.size] = font
                draw.text(
                    (shape.x * scale, shape.y * scale),
                    drawable(shape.text, known),
                    fill=shape.colour,
                    font=font,
                    anchor="ls",
                )
