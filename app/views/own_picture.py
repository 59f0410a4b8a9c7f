"""A picture of one's own, made into a row that a model understands, and what that took."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from pccore.datasets import ImageShape
from pccore.errors import DataError
from pccore.limits import current_limits

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")


@dataclass(frozen=True, eq=False)
class OwnPicture:
    """row: float64 [V], 0 .. maximum. steps: what was done to the file, in order."""

    row: np.ndarray
    steps: tuple[str, ...]

    @property
    def line(self) -> str:
        """The steps in one line."""
        return " → ".join(self.steps)


def read_picture(
    content: bytes, grid: ImageShape, *, whole_numbers: bool = True, invert: bool = False
) -> OwnPicture:
    """Decode, crop to the model's proportions, convert to grey or RGB, resize and scale.

    whole_numbers: the model's pixels are states, so values are rounded. invert: dark strokes on
    white become light ones on black, as in the digits.

    Raises DataError for a file that is too large or no picture.
    """
    limits = current_limits()
    if len(content) > limits.max_picture_bytes:
        raise DataError(
            f"the file has {len(content)} bytes, more than the {limits.max_picture_bytes} allowed",
            hint=limits.way_out("max_picture_bytes"),
        )
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as file:
            name = "max_side" if max(file.size) > limits.max_side else "max_pixels"
            if name == "max_side" or file.size[0] * file.size[1] > limits.max_pixels:
                raise DataError(
                    f"{file.size[0]}×{file.size[1]} pixels are too many",
                    hint=limits.way_out(name),
                )
            steps = [f"{file.size[0]}×{file.size[1]} {file.mode}"]
            picture = _upright(file, steps)
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError("this is no readable picture (PNG, JPEG, BMP, GIF, WebP, PPM)") from None
    picture = _converted(_on_white(picture, steps), grid.channels, steps)
    picture = _cropped(picture, grid, steps)
    if picture.size != (grid.width, grid.height):
        steps.append(f"resized to {grid.width}×{grid.height}")
        picture = picture.resize((grid.width, grid.height), Image.Resampling.LANCZOS)
    values = np.asarray(picture, dtype=np.float64).reshape(-1)
    if invert:
        steps.append("inverted")
        values = 255.0 - values
    values *= grid.maximum / 255.0
    if whole_numbers:
        values = np.rint(values)
    if grid.maximum != 255:
        steps.append(f"scaled to {'whole numbers ' if whole_numbers else ''}0–{grid.maximum}")
    return OwnPicture(values, tuple(steps))


def _upright(file: Image.Image, steps: list[str]) -> Image.Image:
    """The picture as its camera says it is to be held."""
    turned = ImageOps.exif_transpose(file)
    if turned.size != file.size:
        steps.append("turned upright")
    return turned


def _on_white(picture: Image.Image, steps: list[str]) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    steps.append("laid on white")
    above = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(above, mask=above.getchannel("A"))
    return white


def _converted(picture: Image.Image, channels: int, steps: list[str]) -> Image.Image:
    wanted = "RGB" if channels == 3 else "L"
    if picture.mode == wanted:
        return picture
    steps.append("RGB" if channels == 3 else "grey")
    if picture.mode.startswith(("I", "F")):  # 16 bits or more: Pillow would cut, not scale
        values = np.asarray(picture).astype(np.float32)
        low, high = float(values.min()), float(values.max())
        values -= low
        values *= 255.0 / (high - low) if high > low else 0.0
        picture = Image.fromarray(np.rint(values, out=values).astype(np.uint8))
    return picture.convert(wanted)


def _cropped(picture: Image.Image, grid: ImageShape, steps: list[str]) -> Image.Image:
    """The largest part in the middle that has the model's proportions."""
    width, height = picture.size
    breadth = max(1, min(width, round(height * grid.width / grid.height)))
    tall = max(1, min(height, round(width * grid.height / grid.width)))
    if (breadth, tall) == (width, height):
        return picture
    steps.append(f"the middle {breadth}×{tall}")
    left, top = (width - breadth) // 2, (height - tall) // 2
    return picture.crop((left, top, left + breadth, top + tall))
