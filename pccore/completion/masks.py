"""Which pixels of an image are hidden: a half, or the white of a PNG file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pccore.completion.types import Mask
from pccore.datasets import ImageShape
from pccore.errors import DataError, OptionError
from pccore.limits import current_limits

HALVES = ("left", "right", "top", "bottom")


def hidden_pixels(where: str | Path, image: ImageShape) -> Mask:
    """Which columns are hidden, bool [V]: a half by its name, or the white of a PNG file.

    Raises DataError where the file is no PNG of the image's size or hides nothing.
    """
    if where in HALVES:
        pixels = np.zeros((image.height, image.width), dtype=np.bool_)
        middle, centre = image.height // 2, image.width // 2
        if where in ("left", "right"):
            pixels[:, slice(None, centre) if where == "left" else slice(centre, None)] = True
        else:
            pixels[slice(None, middle) if where == "top" else slice(middle, None)] = True
    else:
        pixels = _read_mask(where, image)
    if not pixels.any():
        raise DataError("this hides no pixel", where=str(where))
    return np.repeat(pixels.reshape(-1), image.channels)


def _read_mask(where: str | Path, image: ImageShape) -> Mask:
    text = str(where)
    if not text.lower().endswith(".png"):
        raise OptionError(f"{text[:80]!r} is neither one of {', '.join(HALVES)} nor a PNG file")
    try:
        with Image.open(where, formats=("PNG",)) as picture:
            size = picture.size
            limits = current_limits()
            if max(size) > limits.max_side:
                raise DataError(
                    f"{size[1]}x{size[0]} pixels are too many, more than {limits.max_side} a side",
                    where=text,
                    hint=limits.way_out("max_side"),
                )
            found = np.asarray(picture.convert("L")) >= 128
    except FileNotFoundError:
        raise DataError("there is no such file", where=text) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError("this is no readable PNG file", where=text) from None
    if size != (image.width, image.height):
        raise DataError(
            f"the mask has {size[1]}x{size[0]} pixels, the images {image.height}x{image.width}",
            where=text,
        )
    return found
