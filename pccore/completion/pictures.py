"""Rows as pictures, and the sheet that shows completions beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pccore.completion.types import Array
from pccore.datasets import ImageShape

_MISSING = (200, 80, 80)


def to_pixels(row: Array, image: ImageShape) -> npt.NDArray[np.uint8]:
    """A row [V] of values 0 .. maximum as uint8 [H, W] or [H, W, 3]; what is missing is black.

    Any other number of channels than one or three is averaged.
    """
    values = np.asarray(row, np.float64).reshape(image.height, image.width, image.channels)
    if image.channels != 3:
        values = values.mean(-1)
    scaled = np.nan_to_num(values) * (255.0 / image.maximum)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def to_picture(row: Array, image: ImageShape) -> Image.Image:
    """A row [V] as a picture: grey, colour for three channels; NaN is reddish."""
    unknown = np.isnan(np.asarray(row, np.float64))
    missing = np.any(unknown.reshape(image.height, image.width, image.channels), axis=-1)
    grey = to_pixels(row, image)
    if not missing.any():
        return Image.fromarray(grey)
    colour = np.repeat(grey[..., None], 3, axis=-1) if grey.ndim == 2 else grey
    reddish = np.array(_MISSING, dtype=np.uint8)
    return Image.fromarray(np.where(missing[..., None], reddish, colour))


def contact_sheet(bands: Mapping[str, Array], image: ImageShape, cell: int = 64) -> Image.Image:
    """Labelled bands of pictures, one band below the other; rows [N, V] by label.

    cell: a picture is enlarged by the whole factor that brings it to about so many pixels.
    """
    factor = max(1, cell // max(image.height, image.width))
    width, height = image.width * factor, image.height * factor
    gap = 4
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    longest = max((measure.textlength(label) for label in bands), default=0.0)
    margin = math.ceil(longest) + 2 * gap
    count = max((len(rows) for rows in bands.values()), default=0)
    sheet = Image.new(
        "RGB", (margin + count * (width + gap) + gap, len(bands) * (height + gap) + gap), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for band, (label, rows) in enumerate(bands.items()):
        top = gap + band * (height + gap)
        draw.text((gap, top + height // 2 - 5), label, fill="black")
        for column, row in enumerate(rows):
            picture = to_picture(row, image).convert("RGB")
            large = picture.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(large, (margin + gap + column * (width + gap), top))
    return sheet
